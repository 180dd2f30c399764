"use strict";

const NOT_A_NUMBER = "none"; // In the corrected CSV; among the answers it is "".
const ROWS_A_PAGE = 40;
const SURE = [0.5, 0.8];

const byId = (id) => document.getElementById(id);
const blocks = (name) => [...document.querySelectorAll(`script.${name}`)];
const parse = (block) => JSON.parse(block.textContent);

const about = parse(blocks("about")[0]);
const rows = blocks("rows").flatMap((block) => parse(block));
const detailBlocks = blocks("details");
const parsed = new Map();
const column = Object.fromEntries(about.columns.map((name, place) => [name, place]));
const isForm = "field" in column; // One row a field; its values may have points and a minus.
const foreign = isForm ? /[^-0-9.]/g : /[^0-9]/g;
const storageKey = `digitscan-review-${about.id}`;

let kept = { answers: {}, drafts: {} };
let shown = []; // The rows that pass the filters, worst first.
let at = 0; // The place of the current one among them.

const cell = (row, name) => rows[row][column[name]];
const fileName = (row) => cell(row, "file").replace(/^'/, ""); // The CSV disarms formulas so.
const baseName = (path) => path.replace(/^.*(\/|\\(?!udc))/, ""); // A byte that isn't UTF-8 is written \udcXX.
const confidence = (row) => (cell(row, "confidence") === "" ? 2 : Number(cell(row, "confidence")));
const isNumber = (row) => cell(row, "number") !== "";
const wanted = [...rows.keys()].filter((row) => cell(row, "status") === "review");
const isAnswered = (row) => row in kept.answers;
const percent = (share) => `${Math.floor(100 * share + 1e-9)} %`;
const grade = (share) => (share < SURE[0] ? "low" : share < SURE[1] ? "middle" : "high");

/** What the page holds of a row besides its cells; a block of rows is parsed when the first of them is wanted. */
function details(row) {
  const block = Math.floor(row / about.rows_a_block);
  if (!parsed.has(block)) parsed.set(block, parse(detailBlocks[block]));
  return parsed.get(block)[row % about.rows_a_block];
}

// --- what is kept in the browser ---

function load() {
  try {
    kept = { answers: {}, drafts: {}, ...JSON.parse(localStorage.getItem(storageKey) ?? "{}") };
  } catch {
    warnOfLoss();
  }
}

function save() {
  try {
    localStorage.setItem(storageKey, JSON.stringify(kept));
  } catch {
    warnOfLoss();
  }
}

function warnOfLoss() {
  byId("warning").textContent = "This browser keeps no answers for this page: download them before you close it.";
}

// --- showing ---

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function place(row, name = fileName(row)) {
  const parts = [name, `page ${cell(row, "page")}`];
  if (isForm && isNumber(row)) parts.push(cell(row, "field"));
  else if (isNumber(row)) parts.push(`line ${cell(row, "line")}`, `number ${cell(row, "number")}`);
  return parts.join(" · ");
}

function reading(row) {
  if (!isNumber(row)) return cell(row, "status") === "error" ? "not read" : "no digits";
  return `${cell(row, "text") || "nothing"}, ${percent(confidence(row))}`;
}

function answered(row) {
  return kept.answers[row] === "" ? "not a number" : kept.answers[row];
}

function picture(row) {
  const known = details(row);
  return known ? `data:image/webp;base64,${known.picture}` : "";
}

function show() {
  const row = shown[at];
  byId("card").hidden = row === undefined;
  if (row !== undefined) showCard(row);
  showList();
  showProgress();
}

function showCard(row) {
  byId("place").textContent = place(row);
  const answer = isAnswered(row) ? `; your answer: ${answered(row)}` : "";
  byId("said").textContent = `${at + 1} of ${shown.length} · ${isNumber(row) ? "read as " : ""}${reading(row)}${answer}`;
  const source = picture(row);
  byId("paper").hidden = !source;
  byId("picture").src = source || "data:,";
  byId("picture").alt = `Picture of ${place(row)}`;
  byId("paper").scrollLeft = 0;
  byId("message").textContent = cell(row, "message") || (source ? "" : "There is no picture of this row.");
  const input = byId("text");
  input.readOnly = !isNumber(row);
  input.value = kept.drafts[row] ?? kept.answers[row] ?? cell(row, "text");
  input.select();
  byId("none").disabled = !isNumber(row);
  byId("problem").textContent = "";
  showDigits(details(row));
}

function showDigits(known) {
  const digits = known?.digits ?? [];
  byId("digits-title").hidden = byId("digits").hidden = digits.length === 0;
  byId("digits").replaceChildren(...digits.map((digit, place) => digitTile(digit, place, digits.length, known.glyphs)));
}

function digitTile([digit, share, others], place, count, glyphs) {
  const tile = element("li", `digit ${grade(share)}`, "");
  const glyph = element("span", "glyph", "");
  glyph.style.backgroundImage = `url(data:image/png;base64,${glyphs})`;
  glyph.style.backgroundSize = `${100 * count}% 100%`;
  glyph.style.backgroundPositionX = count > 1 ? `${(100 * place) / (count - 1)}%` : "0";
  const bar = element("meter", "", "");
  bar.value = share;
  bar.setAttribute("aria-hidden", "true");
  const best = element("span", "best", digit);
  best.append(" ", element("small", "", percent(share)));
  const rest = others.map(([other, score]) => element("span", "other", `or ${other}, ${percent(score)}`));
  tile.append(glyph, best, bar, ...rest);
  return tile;
}

function showList() {
  const first = at - (at % ROWS_A_PAGE);
  const last = Math.min(first + ROWS_A_PAGE, shown.length);
  const count = shown.length.toLocaleString("en");
  byId("rows-title").textContent = shown.length ? `Rows ${first + 1} to ${last} of ${count}` : "No rows";
  byId("list").replaceChildren(...shown.slice(first, last).map((row, place) => listItem(row, first + place)));
  byId("pages").hidden = shown.length <= ROWS_A_PAGE;
  byId("earlier").disabled = first === 0;
  byId("later").disabled = last === shown.length;
  const list = byId("list");
  const current = list.children[at - first];
  if (current) list.scrollTop = current.offsetTop - list.offsetTop - list.clientHeight / 2;
}

function listItem(row, where) {
  const item = document.createElement("li");
  const button = element("button", isAnswered(row) ? "answered" : "", "");
  button.type = "button";
  button.dataset.place = where;
  if (where === at) button.setAttribute("aria-current", "true");
  const source = picture(row);
  const thumbnail = element("span", "thumbnail", "");
  if (source) thumbnail.append(Object.assign(document.createElement("img"), { src: source, alt: "" }));
  const said = element("span", `read ${grade(confidence(row))}`, reading(row));
  const answer = element("span", "answer", isAnswered(row) ? `✓ ${answered(row)}` : "");
  button.append(thumbnail, said, answer, element("span", "where", place(row, baseName(fileName(row)))));
  item.append(button);
  return item;
}

function showProgress() {
  const done = wanted.filter(isAnswered).length;
  const others = Object.keys(kept.answers).length - done;
  byId("bar").max = Math.max(1, wanted.length);
  byId("bar").value = wanted.length ? done : 1;
  const more = others ? ` · ${others.toLocaleString("en")} others` : "";
  byId("done").textContent = `${done.toLocaleString("en")} of ${wanted.length.toLocaleString("en")} reviewed${more}`;
}

/** A picture is as wide as its frame, unless it would be too low to read: then the frame scrolls. */
function fitPicture() {
  const { naturalWidth, naturalHeight, style } = byId("picture");
  style.setProperty("--ratio", naturalWidth / naturalHeight);
}

// --- going about ---

function filter() {
  const current = shown[at];
  const file = byId("file").value.toLowerCase();
  const status = byId("status").value;
  shown = [...rows.keys()].filter(
    (row) => (!status || cell(row, "status") === status) && fileName(row).toLowerCase().includes(file),
  );
  shown.sort((one, other) => confidence(one) - confidence(other) || one - other);
  const again = shown.indexOf(current);
  const open = shown.findIndex((row) => isNumber(row) && !isAnswered(row));
  at = Math.max(0, again >= 0 ? again : open);
  show();
}

function go(to) {
  at = Math.min(Math.max(0, to), shown.length - 1);
  show();
}

function answer(text) {
  const row = shown[at];
  kept.answers[row] = text;
  forward();
}

function forward() {
  const row = shown[at];
  delete kept.drafts[row];
  save();
  if (at < shown.length - 1) {
    go(at + 1);
    return;
  }
  show();
  const open = shown.filter((other) => isNumber(other) && !isAnswered(other)).length;
  byId("said").textContent = open ? `This was the last row; ${open} are still open.` : "All rows are done.";
}

function submit(event) {
  event.preventDefault();
  const text = byId("text").value;
  if (byId("text").readOnly) forward();
  else if (/[0-9]/.test(text) && !text.match(foreign)) answer(text);
  else byId("problem").textContent = "Type the digits, or press N if there is no number.";
}

function typed() {
  const input = byId("text");
  const digits = input.value.replace(foreign, "");
  byId("problem").textContent = digits === input.value ? "" : isForm ? "Digits, points and a minus only." : "Digits only.";
  if (digits !== input.value) input.value = digits;
  kept.drafts[shown[at]] = digits;
  save();
}

function pressed(event) {
  const isElsewhere = event.target.closest("#filters, #downloads");
  if (shown.length === 0 || isElsewhere || event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = {
    n: () => isNumber(shown[at]) && answer(""),
    escape: forward,
    arrowup: () => go(at - 1),
    arrowdown: () => go(at + 1),
  };
  const action = actions[event.key.toLowerCase()];
  if (action) {
    event.preventDefault();
    action();
  }
  if (action || /^[0-9]$/.test(event.key)) byId("text").focus();
}

/** On a touch screen, focus would open the keyboard over the page. */
function focusText() {
  if (matchMedia("(pointer: fine)").matches) byId("text").focus();
}

// --- files ---

function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

const stem = baseName(about.name).replace(/\.csv$/i, "") || "report";
const quoted = (text) => (/[,"\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function correctedReport() {
  const corrected = (row) => (isAnswered(row) ? kept.answers[row] || NOT_A_NUMBER : "");
  const table = [[...about.columns, "corrected"], ...rows.map((cells, row) => [...cells, corrected(row)])];
  return (about.excel ? "\ufeff" : "") + table.map((cells) => `${cells.map(quoted).join(",")}\n`).join("");
}

function corrections() {
  const made = Object.keys(kept.answers).map((row) => ({
    ...Object.fromEntries(
      ["file", "page", "line", "number", "text", ...(isForm ? ["field"] : [])].map((name) => [name, cell(row, name)]),
    ),
    corrected: kept.answers[row],
    glyphs: details(row)?.glyphs ?? "",
  }));
  return JSON.stringify({ report: about.name, corrections: made }, null, 1);
}

// --- start ---

function start() {
  document.title = `Review ${baseName(about.name)}`;
  byId("name").textContent = baseName(about.name);
  const counts = { "": rows.length };
  for (const row of rows.keys()) counts[cell(row, "status")] = (counts[cell(row, "status")] ?? 0) + 1;
  for (const [status, count] of Object.entries({ review: 0, ...counts })) {
    byId("status").append(new Option(`${status || "all"} (${count.toLocaleString("en")})`, status));
  }
  byId("download-report").hidden = isForm; // A row a page: digitscan apply makes it.
  load();
  byId("picture").addEventListener("load", fitPicture);
  byId("answer").addEventListener("submit", submit);
  byId("text").addEventListener("input", typed);
  byId("none").addEventListener("click", () => (answer(""), focusText()));
  byId("skip").addEventListener("click", () => (forward(), focusText()));
  byId("list").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) go(Number(button.dataset.place));
    focusText();
  });
  byId("earlier").addEventListener("click", () => go(at - (at % ROWS_A_PAGE) - ROWS_A_PAGE));
  byId("later").addEventListener("click", () => go(at - (at % ROWS_A_PAGE) + ROWS_A_PAGE));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("input", filter);
  byId("download-report").addEventListener("click", () => download(`${stem}-corrected.csv`, "text/csv", correctedReport()));
  byId("download-corrections").addEventListener("click", () =>
    download(`${stem}-corrections.json`, "application/json", corrections()),
  );
  document.addEventListener("keydown", pressed);
  // Another tab with the same page.
  addEventListener("storage", (event) => event.key === storageKey && (load(), show()));
  filter();
  focusText();
}

start();
