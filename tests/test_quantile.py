import subprocess
import sys

import numpy as np
import pytest
from writing import write_page

from digitscan.quantile import median, quantile


@pytest.mark.parametrize("count", [1, 2, 5, 6, 50])
@pytest.mark.parametrize("dtype", [np.int32, np.float64])
def test_quantiles_are_those_of_numpy(count: int, dtype: type) -> None:
    values = np.random.default_rng(count).integers(0, 30, count).astype(dtype)
    for share in (0.0, 0.25, 0.5, 0.9, 1.0):
        assert quantile(values, share) == pytest.approx(np.quantile(values, share))
    assert median(values) == pytest.approx(np.median(values))


def test_a_page_is_read_without_masked_arrays() -> None:
    code = (
        "import sys\n"
        "import numpy as np\n"
        "from digitscan.scan import page_glyphs\n"
        "from digitscan.schema import Page, Settings\n"
        "pixels = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(-1, int(sys.argv[1]))\n"
        "assert len(page_glyphs(Page('a.png', 1, pixels), Settings()).lattices) == 2\n"
        "sys.exit('numpy.ma' in sys.modules)\n"
    )
    pixels = write_page(["31415 007", "92653"]).pixels
    done = subprocess.run([sys.executable, "-c", code, str(pixels.shape[1])], input=pixels.tobytes(), check=False)
    assert done.returncode == 0
