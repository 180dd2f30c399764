"""The command line: parses, calls, prints. Heavy packages are imported by the command that needs them."""

# Types that commands take are no strings, as `from __future__ import annotations` would make them: to evaluate all of
# them in every start takes Typer longer than to import NumPy's core.

import gc
import inspect
import json
import os
import shlex
import signal
import sys
from collections.abc import Collection
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from digitscan import __version__, log
from digitscan.errors import DigitscanError, Interrupted, UsageError
from digitscan.memory import keep_freed_memory
from digitscan.schema import Arch, Format, Layout, LogFormat, Per, Runtime, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import Console

    from digitscan.classifier import Classifier
    from digitscan.cluster import Cluster
    from digitscan.datasets import Dataset
    from digitscan.form import Form
    from digitscan.journal import Journal
    from digitscan.model import ModelResult
    from digitscan.parts import PartsReport
    from digitscan.pictures import PagePictures
    from digitscan.progress import Messages, Unit
    from digitscan.report import CsvReport
    from digitscan.review import Review
    from digitscan.scan import Executor, Memory, Predictor, Reader
    from digitscan.schema import PageFailure, PageNumbers
    from digitscan.synth import Synthesizer
    from digitscan.train import EpochResult
    from digitscan.truth import ComparedPage, TruthResult

    Result = TypeVar("Result", ModelResult, TruthResult)

app = typer.Typer(
    name="digitscan",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

form_app = typer.Typer(
    help="Make and try templates of forms, for classify --form.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(form_app, name="form")

DEFAULTS = Settings()

ModelOption = Annotated[
    str | None,
    typer.Option("-m", "--model", help="Model's name without suffix. Default: the one that comes with digitscan."),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder with MNIST's IDX files, an .npz in Keras' layout, or a folder of images 0/ to 9/. "
        "Default: MNIST, downloaded by Keras."
    ),
]
SeedOption = Annotated[int, typer.Option(help="Same seed, data, versions and machine: same model.")]
StrokesOption = Annotated[
    list[Path] | None,
    typer.Option(help="Pen strokes (.npz), to learn lines of writing from as well; may be given several times."),
]
BitmapsOption = Annotated[
    list[Path] | None, typer.Option(help="More digits (.npz with images and labels) to write these lines with.")
]
OutputOption = Annotated[
    str | None, typer.Option("-o", "--output", help="The CSV; absent or -: stdout.", metavar="FILE")
]
LayoutOption = Annotated[Layout, typer.Option(help="What each image holds.")]
RotateOption = Annotated[
    int, typer.Option(metavar="0|90|180|270", help="Degrees clockwise that turn the pages upright.")
]
ConfidenceOption = Annotated[float, typer.Option(min=0.0, max=1.0, help="Numbers below it get the status review.")]
JobsOption = Annotated[int, typer.Option("-j", "--jobs", min=0, help="Worker processes; 0: one a core.")]
DpiOption = Annotated[int, typer.Option(min=50, max=1200, help="Resolution in which PDF is drawn.")]
MaxPixelsOption = Annotated[int, typer.Option(min=1, help="Pages with more pixels are refused.")]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no summary.")]


def _configure(context: typer.Context, path: Path | None) -> Path | None:
    """Put what the file says in place of the command's defaults."""
    from digitscan import config

    context.default_map = config.read_config(path, _settings(), os.environ)
    return path


def _settings() -> list[str]:
    """Names of the options of `classify` that can be set elsewhere too."""
    return [name for name in inspect.signature(classify).parameters if name not in ("inputs", "config")]


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        callback=_configure,
        is_eager=True,
        metavar="FILE",
        help="Settings in TOML. Default: digitscan.toml, if there is one.",
    ),
]


def main() -> None:
    """Run the command line: every expected error ends in one line on stderr and its exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # How systemd, kill and a shutdown press Ctrl-C.
    keep_freed_memory()
    try:
        app()
    except DigitscanError as error:
        if error.exit_code:
            _say_end(str(error), error.exit_code)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == Interrupted.exit_code:  # Typer says nothing of a Ctrl-C before there was anything to keep.
            _say_end("stopped", Interrupted.exit_code)
        raise
    except Exception as error:
        log.failure(repr(error), 1)
        raise
    finally:
        gc.freeze()  # At its end Python would search all that was ever imported for garbage: a tenth of a short run.


def _say_end(message: str, exit_code: int) -> None:
    sys.stderr.write(f"digitscan: {message}\n")
    log.failure(message, exit_code)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"digitscan {__version__}")
        raise typer.Exit


@app.callback()
def _digitscan(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Reads handwritten digits out of folders of scans and writes a CSV."""


@app.command(context_settings={"auto_envvar_prefix": "DIGITSCAN"})
def classify(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Folders, walked recursively, and files; or their URLs.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The CSV; absent or -: stdout. FOLDER/, also a URL: in parts."
        ),
    ] = None,
    model: ModelOption = None,
    layout: LayoutOption = DEFAULTS.layout,
    per: Annotated[Per, typer.Option(help="What a row of the report stands for.")] = DEFAULTS.per,
    form: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Template of a form: a row a page, a column a field. Several: each page is one of them.",
        ),
    ] = None,
    confidences: Annotated[
        bool, typer.Option("--confidences/--no-confidences", help="With --form: also how sure each field is.")
    ] = False,
    rotate: RotateOption = DEFAULTS.rotate,
    min_confidence: ConfidenceOption = DEFAULTS.min_confidence,
    jobs: JobsOption = DEFAULTS.jobs,
    dpi: DpiOption = DEFAULTS.dpi,
    max_pixels: MaxPixelsOption = DEFAULTS.max_pixels,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Read on the workers of this Dask scheduler, such as tcp://host:8786."),
    ] = None,
    page_timeout: Annotated[
        float | None,
        typer.Option(
            min=0.001, metavar="SECONDS", help="A page that takes longer is given up, as a row with status error."
        ),
    ] = DEFAULTS.page_timeout,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume", help="Read only what is new or has changed since the last run with --resume."
        ),
    ] = False,
    checksum: Annotated[
        bool,
        typer.Option(
            "--checksum/--no-checksum", help="With --resume: tell changed files by their SHA-256, not by size and time."
        ),
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune/--no-prune", help="With --resume: drop the rows of files that have vanished.")
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="How long to wait for another run on the same report.")
    ] = 0.0,
    excel: Annotated[
        bool, typer.Option("--excel/--no-excel", help="Start with the byte order mark that Excel wants.")
    ] = False,
    format: Annotated[  # noqa: A002 (settings have the names of their options)
        Format, typer.Option(help="With -o FOLDER/: what the parts are.")
    ] = Format.CSV,
    debug: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a picture of each page after each step to this folder.")
    ] = None,
    annotate: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw on each page what was read, to this folder.")
    ] = None,
    review: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page to look through the doubtful rows with (HTML).")
    ] = None,
    log_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append what happens to this file, a line an event.")
    ] = None,
    log_format: Annotated[LogFormat, typer.Option(help="What these lines look like.")] = LogFormat.TEXT,
    verbose: Annotated[bool, typer.Option("--verbose/--no-verbose", "-v", help="Show and log each page.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet/--no-quiet", "-q", help="No progress and no summary.")] = False,
    config: ConfigOption = None,  # noqa: ARG001 (its callback has done the work)
) -> None:
    """Read the digits in folders of scans and write a CSV."""
    from digitscan import files, lock, parts, progress, remote, scan

    _check_scale(output, format, page_timeout, excel=excel, review=review, scheduler=scheduler)
    forms = _forms(form)
    settings = Settings(
        model=model,
        layout=layout,
        per=per,
        rotate=rotate,
        min_confidence=min_confidence,
        jobs=jobs,
        dpi=dpi,
        max_pixels=max_pixels,
        page_timeout=page_timeout,
        fields=_field_names(forms),
        confidences=confidences,
    )
    _check_combination(settings, review, resume=resume, needs_resume=checksum or prune)
    _check_form_combination(settings, debug)
    messages = progress.stderr(quiet)
    log.start(log_file, log_format, messages.print if verbose else None)
    log.event("start", version=__version__, inputs=inputs, output=output)
    to_review = _review(output, settings) if review else None
    with lock.locked(parts.lock_path(output), wait), _cluster(scheduler) as cluster:
        found: Iterable[str | PageFailure] = files.find_pages(inputs)
        is_far = scheduler or any(map(remote.is_url, inputs))
        # A million files needn't be known before the first is read,
        if debug or annotate or (messages.is_terminal and not is_far):  # unless a bar wants their number, or it would
            found = [*found]  # find its pictures.
        reader = scan.load_reader(model, settings.cores)._replace(forms=forms)
        keepers: list[PagePictures | Review] = [*_pictures(debug, annotate, settings, reader)]
        keepers += [to_review] if to_review else []
        view = progress.ScanView(messages, *_amount(found, settings, messages), cluster.count if cluster else None)
        with (
            _report(output, settings, reader.identity, format, excel, resume, checksum, prune) as (rows, memory),
            view.shown(),
            closing(scan.scan(found, reader, settings, memory, _executor(cluster))) as pages,
        ):
            for page in pages:
                rows.add(page)
                log.page(page)
                view.update(page, rows.summary)
                for keeper in keepers:
                    keeper.add(page)
    log.event("summary", **view.finish(rows.summary, output))
    if review and to_review:
        from digitscan import display

        to_review.write(review, excel=excel)
        display.show_review(messages, to_review, review)
    raise typer.Exit(rows.summary.exit_code)


def _check_combination(settings: Settings, review: Path | None, *, resume: bool, needs_resume: bool) -> None:
    if review and settings.per is not Per.NUMBER:
        raise UsageError("--review needs --per number, one row a number")
    if review and resume:
        remedy = "leave one of them out" if settings.fields else "call digitscan review afterwards"
        raise UsageError(f"--review would miss what --resume doesn't read; {remedy}")
    if needs_resume and not resume:
        raise UsageError("--checksum and --prune need --resume")


def _check_form_combination(settings: Settings, debug: Path | None) -> None:
    if not settings.fields:
        if settings.confidences:
            raise UsageError("--confidences needs --form")
        return
    if settings.per is not DEFAULTS.per:
        raise UsageError("--form has one row a page; leave --per out")
    if settings.layout is not DEFAULTS.layout or settings.rotate:
        raise UsageError("--form finds out itself how a page lies; leave --layout and --rotate out")
    if debug:
        raise UsageError("--debug shows how plain pages are read; see digitscan form check for forms")


def _forms(templates: list[Path] | None) -> "tuple[Form, ...]":
    if not templates:
        return ()
    from digitscan.form import load_forms

    return load_forms(templates)


def _field_names(forms: "tuple[Form, ...]") -> tuple[str, ...]:
    """Of all forms, each name once: fields of two forms may share a column."""
    return tuple(dict.fromkeys(field.name for form in forms for field in form.fields))


def _check_scale(
    output: str | None,
    form: Format,
    page_timeout: float | None,
    *,
    excel: bool,
    review: Path | None,
    scheduler: str | None,
) -> None:
    from digitscan.parts import is_in_parts

    if form is Format.PARQUET and (excel or not is_in_parts(output)):
        raise UsageError("--format parquet needs -o FOLDER/, and goes without --excel")
    if scheduler and page_timeout is not None:
        raise UsageError("--page-timeout can't stop a page on a cluster; leave one of it and --scheduler out")
    if scheduler and review:
        raise UsageError("--review needs more than a cluster sends back; call digitscan review afterwards")


def _pictures(debug: Path | None, annotate: Path | None, settings: Settings, reader: "Reader") -> "list[PagePictures]":
    steps = [_debug_pictures(debug, settings, reader)] if debug else []
    return [*steps, _annotations(annotate, settings)] if annotate else steps


def _review(output: str | None, settings: Settings) -> "Review":
    from digitscan.review import Review

    return Review("report.csv" if output in (None, "-") else output, settings)


def _cluster(scheduler: str | None) -> "AbstractContextManager[Cluster | None]":
    if not scheduler:
        return nullcontext()
    from digitscan.cluster import Cluster

    return Cluster(scheduler)


def _executor(cluster: "Cluster | None") -> "Executor | None":
    if not cluster:
        return None
    from digitscan.chunks import ChunkedScan

    return ChunkedScan(cluster)


@contextmanager
def _report(
    output: str | None,
    settings: Settings,
    reader: str,
    form: Format,
    excel: bool,
    resume: bool,
    checksum: bool,
    prune: bool,
) -> "Iterator[tuple[CsvReport | PartsReport, Memory | None]]":
    """The report, and what knows which of its pages were read before."""
    from digitscan.parts import PartsReport, is_in_parts
    from digitscan.report import CsvReport

    if output and is_in_parts(output):
        with PartsReport(
            output, settings, reader, form=form, excel=excel, resume=resume, checksum=checksum
        ) as in_parts:
            yield in_parts, in_parts
        return
    journal = _journal(output, settings, reader, checksum, prune) if resume else nullcontext()
    with CsvReport(output, settings, excel=excel) as rows, journal as memory:
        yield rows, memory


def _journal(output: str | None, settings: Settings, reader: str, checksum: bool, prune: bool) -> "Journal":
    from digitscan.journal import Journal

    return Journal(output, settings, reader, checksum=checksum, prune=prune)


@app.command(name="config")
def show_config(
    context: typer.Context,
    path: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Settings in TOML. Default: digitscan.toml, if there is one."),
    ] = None,
) -> None:
    """Print the settings of classify, in TOML, and where each comes from."""
    from digitscan import config

    group = context.find_root().command
    assert isinstance(group, typer.core.TyperGroup), "digitscan has commands"
    arguments = ["--config", str(path), "."] if path else ["."]
    given = group.commands["classify"].make_context("digitscan classify", arguments)
    for name in _settings():
        source = given.get_parameter_source(name)
        typer.echo(config.show(name, given.params[name], source.name if source else "", given.params["config"]))


@app.command()
def review(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="A report that classify wrote, one row a number.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The page.")] = Path("review.html"),
    all_rows: Annotated[
        bool, typer.Option("--all", help="Pictures of all numbers, not of the doubtful ones alone.")
    ] = False,
    model: ModelOption = None,
    layout: LayoutOption = DEFAULTS.layout,
    rotate: RotateOption = DEFAULTS.rotate,
    jobs: JobsOption = DEFAULTS.jobs,
    dpi: DpiOption = DEFAULTS.dpi,
    max_pixels: MaxPixelsOption = DEFAULTS.max_pixels,
    quiet: QuietOption = False,
) -> None:
    """Make a page on which a person looks through the doubtful rows of a report and corrects them.

    The scans are read again: give the options that classify had, and call it in the same folder.
    """
    from digitscan import display, progress, scan
    from digitscan.report import read_report
    from digitscan.review import Review

    settings = Settings(model=model, layout=layout, rotate=rotate, jobs=jobs, dpi=dpi, max_pixels=max_pixels)
    table = read_report(report)
    page = Review(str(report), settings, tuple(table.columns), all_rows=all_rows)
    page.add_rows(table.itertuples(index=False, name=None))
    messages = progress.stderr(quiet)
    for read in _watched(page.find_files(), scan.load_reader(model, settings.cores), settings, messages):
        page.add_details(read)
    page.write(output, excel=table.attrs["excel"])
    display.show_review(messages, page, output)


@app.command()
def apply(
    corrections: Annotated[
        Path, typer.Argument(metavar="CORRECTIONS", help="What was downloaded from the review page.")
    ],
    report: Annotated[Path, typer.Option("-r", "--report", metavar="REPORT", help="The report they were made of.")],
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write a report with the corrections in it; what was read stays in the column `original`."""
    from digitscan import display, progress
    from digitscan.corrections import correct, read_corrections
    from digitscan.report import read_report, write_table

    made = read_corrections(corrections)
    before = read_report(report, forms=True)
    table = correct(before, made)
    write_table(output, tuple(table.columns), table.itertuples(index=False, name=None), excel=before.attrs["excel"])
    display.show_corrections(progress.stderr(quiet), made)


@form_app.command(name="new")
def new_form(
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE", help="The empty form, as a scan or a picture.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The template.")] = Path("form.toml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a template that is there.")] = False,
) -> None:
    """Find the boxes and lines on an empty form and propose a template to edit."""
    from digitscan import progress, propose
    from digitscan.report import write_file

    if output.exists() and not force:
        raise UsageError(f"{output} is there already; give another name with -o, or --force")
    places = propose.find_fields(reference)
    write_file(output, propose.template(reference, output, places).encode())
    progress.stderr().print(f"{output}: {len(places)} fields; edit their names and types")


@form_app.command(name="check")
def check_form(
    template: Annotated[Path, typer.Argument(metavar="FORM", help="The template.")],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Folders and files of filled forms.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where the pages with their fields are drawn to.")
    ] = Path("form-check"),
    dpi: DpiOption = DEFAULTS.dpi,
    max_pixels: MaxPixelsOption = DEFAULTS.max_pixels,
) -> None:
    """Draw the fields of a form on each page, and print how well the pages match."""
    from digitscan import display, files, formcheck
    from digitscan.errors import PageError
    from digitscan.form import load_form

    settings = Settings(dpi=dpi, max_pixels=max_pixels)
    matches = [*formcheck.check(load_form(template), files.find_pages(inputs), settings, output)]
    display.show_matches(display.stdout(), matches)
    if any(match.quality is None for match in matches):
        raise typer.Exit(PageError.exit_code)


@app.command()
def summary(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="A report that classify wrote.")],
    log_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its log, for the slowest pages: from classify -v --log-format json."),
    ] = None,
) -> None:
    """Count a report: its statuses and confidences, its worst pages and its folders."""
    from digitscan import display
    from digitscan.report import read_report
    from digitscan.summary import summarize

    display.show_summary(display.stdout(), summarize(read_report(report, list(Per), forms=True), log_file))


@app.command()
def train(
    arch: Annotated[
        Arch, typer.Option(help="Network; mlp is 784-128-128-10, line reads whole lines and needs --strokes.")
    ] = Arch.CNN,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder with MNIST's IDX files, an .npz in Keras' layout, or a folder of images 0/ to 9/; default: "
            "MNIST, downloaded by Keras. With --from also files of corrections (.json), one --data each."
        ),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The model's name, without suffix.")] = Path(
        "models/digits"
    ),
    epochs: Annotated[int | None, typer.Option(min=1, help="Default: the network's recipe.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Default: the network's recipe.")] = None,
    seed: SeedOption = 1,
    validation: Annotated[float, typer.Option(help="Share of the training data that picks the best epoch.")] = 0.05,
    strokes: StrokesOption = None,
    bitmaps: BitmapsOption = None,
    lines: Annotated[int, typer.Option(min=1, help="With --strokes: how many lines are written.")] = 40_000,
    start: Annotated[
        Path | None, typer.Option("--from", help="Train this model further, instead of a new one.", metavar="NAME")
    ] = None,
    keep_partial: Annotated[bool, typer.Option("--keep-partial", help="On Ctrl-C keep the best epoch so far.")] = False,
    allow_worse: Annotated[
        bool,
        typer.Option("--allow-worse", help="With corrections: write the model even if it reads the test digits worse."),
    ] = False,
) -> None:
    """Train a model and save NAME.keras, NAME.tflite, its card NAME.json and the plot NAME.png."""
    from digitscan import candidates, datasets, display, scan
    from digitscan import train as training
    from digitscan.corrections import load_digits

    options = training.TrainOptions(
        output=output,
        arch=arch,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        validation=validation,
        keep_partial=keep_partial,
        start=start,
        allow_worse=allow_worse,
        command=_command(),
    )
    data_set, corrections = datasets.part_sources(data or ())
    corrected = load_digits(corrections) if corrections else None
    training.check(options, corrected, strokes or ())
    console = display.stderr()
    dataset = datasets.load(data_set, scan.normalize_digit)
    view = display.TrainingView(console)
    with view.shown():
        lessons = None
        if strokes:
            synthesizers = _synthesizers(strokes, dataset, bitmaps, seed)
            lessons = candidates.write_lessons(synthesizers, lines, view.lines, strokes)
        card = training.train(options, dataset, view, lessons, corrected)
    _plot_training(console, view.results, output)
    display.show_card(console, card)


def _plot_training(console: "Console", results: "list[EpochResult]", output: Path) -> None:
    from digitscan import plots
    from digitscan.model import model_file

    try:
        plots.draw_training(results, model_file(output, ".png"))
    except UsageError as error:  # A model is worth having without its plot.
        console.print(f"{output}.png is not drawn: {error}", soft_wrap=True, markup=False)


@app.command()
def calibrate(
    model: Annotated[Path, typer.Argument(metavar="NAME", help="The model, without suffix.")],
    strokes: StrokesOption = None,
    line_reader: Annotated[
        Path | None, typer.Option(metavar="NAME", help="A line reader in the same folder, to read with from now on.")
    ] = None,
    data: DataOption = None,
    bitmaps: BitmapsOption = None,
    seed: SeedOption = 1,
) -> None:
    """Fit how a model reads whole lines, and with which line reader, on lines of writing that are made for it.

    With the same strokes and seed as in training, these are lines of writers that were not trained on.
    """
    from digitscan import calibrate as calibration
    from digitscan import candidates, datasets, display, scan

    if not strokes:
        raise UsageError("calibrate needs --strokes, to write lines with")
    networks = calibration.load_networks(model, line_reader, os.cpu_count() or 1)
    _, held_out = _synthesizers(strokes, datasets.load(data, scan.normalize_digit), bitmaps, seed)
    card = calibration.calibrate(networks, candidates.make_lines(held_out, networks.line_reader), _command())
    display.show_card(display.stderr(), card)


def _synthesizers(
    strokes: list[Path], dataset: "Dataset", bitmaps: list[Path] | None, seed: int
) -> "tuple[Synthesizer, Synthesizer]":
    from digitscan import candidates, datasets

    pictures = [dataset.train, *(datasets.load_bitmaps(path) for path in bitmaps or ())]
    return candidates.make_synthesizers(strokes, pictures, seed)


def _command() -> str:
    return shlex.join(["digitscan", *sys.argv[1:]])


@app.command()
def evaluate(
    folder: Annotated[Path | None, typer.Argument(metavar="FOLDER", help="With --truth: where the scans are.")] = None,
    model: ModelOption = None,
    data: DataOption = None,
    truth: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Measure on scans: a CSV with the columns file,lines says what is written."),
    ] = None,
    layout: LayoutOption = DEFAULTS.layout,
    rotate: RotateOption = DEFAULTS.rotate,
    min_confidence: ConfidenceOption = DEFAULTS.min_confidence,
    jobs: JobsOption = DEFAULTS.jobs,
    runtime: Annotated[Runtime, typer.Option(help="What runs the model.")] = Runtime.LITERT,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a row a digit to this file; with --truth a row for each wrong line."),
    ] = None,
    annotate: Annotated[
        Path | None, typer.Option(metavar="DIR", help="With --truth: draw on each page what was read, to this folder.")
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Plot confusions, reliability, accepting against erring, and the worst errors."
        ),
    ] = None,
) -> None:
    """Measure a model on labelled digits, or the whole reader on scans whose truth is known."""
    from digitscan import display
    from digitscan import evaluate as evaluation
    from digitscan import plots as drawing

    if truth and data:
        raise UsageError("--truth and --data exclude each other")
    if bool(truth) != bool(folder):
        raise UsageError("--truth and the FOLDER of its scans need each other")
    if annotate and not truth:
        raise UsageError("--annotate needs --truth")
    if plots:
        drawing.prepare(plots)
    if truth and folder:
        settings = Settings(model=model, layout=layout, rotate=rotate, min_confidence=min_confidence, jobs=jobs)
        read = _evaluate_truth(truth, folder, settings, _reader(model, runtime, settings.cores), annotate, plots)
        if csv:
            evaluation.write_wrong_lines(read, csv)
        _print(read, as_json, display.show_truth)
        raise typer.Exit(read.exit_code)
    result = _evaluate_digits(model, data, runtime, plots)
    if csv:
        evaluation.write_csv(result, csv)
    _print(result, as_json, display.show_result)


def _evaluate_digits(model: str | None, data: Path | None, runtime: Runtime, plots: Path | None) -> "ModelResult":
    from digitscan import datasets, evaluate, scan
    from digitscan.classifier import Classifier
    from digitscan.judge import judge_digits
    from digitscan.plots import draw_evaluation

    classifier = Classifier.load(model)
    predict = _predictor(classifier, runtime)
    part = datasets.load_test(data, scan.normalize_digit, classifier.card.data_sha256)
    if plots:
        draw_evaluation(judge_digits(predict(part.images), part), plots)
    return evaluate.evaluate_model(predict, part.images, part.labels)


def _predictor(classifier: "Classifier", runtime: Runtime) -> "Predictor":
    if runtime is Runtime.LITERT:
        return classifier
    from digitscan import train as training

    return training.load_keras(classifier.name)


def _reader(model: str | None, runtime: Runtime, threads: int) -> "Reader":
    from digitscan import scan
    from digitscan.classifier import Classifier

    reader = scan.load_reader(model, threads)
    if runtime is Runtime.LITERT:
        return reader
    return reader._replace(classify=_predictor(Classifier.load(model), runtime))


def _evaluate_truth(
    truth: Path, folder: Path, settings: Settings, reader: "Reader", annotate: Path | None, plots: Path | None
) -> "TruthResult":
    from digitscan import evaluate, progress
    from digitscan.judge import LineJudge
    from digitscan.plots import draw_evaluation
    from digitscan.truth import read_truth

    known = read_truth(truth)
    names = evaluate.locate(known, (folder, truth.parent))
    pictures = _annotations(annotate, settings) if annotate else None
    judge = LineJudge(settings)

    def watch(compared: "ComparedPage", page: "PageNumbers | PageFailure") -> None:
        if pictures:
            pictures.add(page)
        if plots:
            judge.add(compared, page)

    pages = _watched(names, reader, settings, progress.stderr())
    result = evaluate.evaluate_truth(known, names, pages, settings.min_confidence, watch)
    if plots:
        draw_evaluation(judge.judgement(), plots)
    return result


def _amount(
    found: "Iterable[str | PageFailure]", settings: Settings, messages: "Messages"
) -> "tuple[int | None, Unit]":
    """How much is to be read, as far as that is known: pages where there are few files, and someone watches."""
    from digitscan import scan

    if not isinstance(found, Collection):
        return None, "files"
    pages = scan.count_few(found, settings) if messages.is_terminal else None
    return (len(found), "files") if pages is None else (pages, "pages")


def _watched(
    names: "Collection[str]", reader: "Reader", settings: Settings, messages: "Messages"
) -> "Iterator[PageNumbers | PageFailure]":
    """A scan with its progress shown."""
    from digitscan import progress, report, scan

    view = progress.ScanView(messages, *_amount(names, settings, messages))
    summary = report.Summary()
    with view.shown():
        for page in scan.scan(names, reader, settings):
            summary.add(page, settings)
            view.update(page, summary)
            yield page


def _annotations(folder: Path, settings: Settings) -> "PagePictures":
    from digitscan.annotate import annotate
    from digitscan.pictures import PagePictures

    return PagePictures(
        folder, lambda page, read: [("", annotate(page.pixels, read, settings.min_confidence))], settings
    )


def _debug_pictures(folder: Path, settings: Settings, reader: "Reader") -> "PagePictures":
    from digitscan.debug import step_pictures
    from digitscan.pictures import PagePictures

    return PagePictures(folder, lambda page, _: step_pictures(page, settings.layout, reader), settings)


def _print(result: "Result", as_json: bool, show: "Callable[[Console, Result], None]") -> None:
    from digitscan import display

    if as_json:
        sys.stdout.write(json.dumps(result.to_json()) + "\n")
    else:
        show(display.stdout(), result)
