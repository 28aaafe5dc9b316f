"""Decoding of compressed images without CFITSIO: the same pixels and the same errors, whichever decoder ran."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fitsio
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from badexp_assets.errors import UnreadableImageError
from badexp_assets.survey.fits_file import FitsFile
from badexp_assets.survey.masks import code_table, mask_codes
from badexp_assets.survey.pixel_kernels import blank_beyond
from badexp_assets.survey.rice_tiles import RiceTiles, _returns_nan

DITHERS = ("SUBTRACTIVE_DITHER_1", "SUBTRACTIVE_DITHER_2", "NO_DITHER")
INTEGERS = (np.uint8, np.int16, np.int32)
CODES = code_table("V5.6")
with_nan = pytest.mark.skipif(not _returns_nan(), reason="fitsio before 1.3 does not keep NaN in compressed images")
DIRECT, LEFT_TO_CFITSIO = "direct", "left to CFITSIO"


@pytest.fixture
def decoders(monkeypatch) -> Counter:
    """How many whole images were decoded directly, and how many by CFITSIO."""
    used: Counter = Counter()
    read = RiceTiles.read

    def count(self, info, codes=None, step=1):
        pixels = read(self, info, codes, step)
        if step == 1:
            used[LEFT_TO_CFITSIO if pixels is None else DIRECT] += 1
        return pixels

    monkeypatch.setattr(RiceTiles, "read", count)
    return used


def write(path: Path, image: np.ndarray, header=None, **options) -> Path:
    """Write one image in tiles of a row; of floats with q = 4."""
    options = {"compress": "RICE_1", "tile_dims": [1, image.shape[1]]} | options
    if image.dtype.kind == "f":
        options = {"qlevel": 4, "qmethod": DITHERS[0], "dither_seed": 1} | options
    with fitsio.FITS(str(path), "rw", clobber=True) as fits:
        fits.write(None, header={"EXPNUM": 1})
        fits.write(image, extname="S4", header=header, **options)
    return path


def change_card(path: Path, name: str, card: str) -> Path:
    """Replace the last card of this name."""
    content = path.read_bytes()
    place = content.rindex(f"{name:8}=".encode())
    path.write_bytes(content[:place] + card.encode().ljust(80) + content[place + 80 :])
    return path


def sky(shape: tuple[int, int] = (40, 300), seed: int = 0) -> np.ndarray:
    """Noise with a saturated star."""
    rng = np.random.default_rng(seed)
    image = rng.normal(200, 8, shape)
    image[1, 5:9] = 60_000
    return image.astype(np.float32)


def by_cfitsio(path: Path, codes=None) -> np.ndarray | str:
    """Pixels of the first extension or the message of an error, as if there were no other decoder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RiceTiles, "read", lambda self, info, codes=None, step=1: None)
        return outcome(path, codes)


def outcome(path: Path, codes=None, step=1) -> np.ndarray | str:
    for _ in range(3):
        try:
            with FitsFile(path) as fits:
                return fits.pixels(1, "CCD", codes, step)
        except UnreadableImageError as error:
            message = str(error)
        if "bytes that are no text" not in message:  # a message of an earlier error, which is gone the next time
            break
    return message


def same(one: np.ndarray | str, two: np.ndarray | str) -> bool:
    """Whether two outcomes are equal to the last bit."""
    if isinstance(one, str) or isinstance(two, str):
        return isinstance(one, str) and isinstance(two, str) and one == two
    return (one.dtype, one.shape, one.tobytes()) == (two.dtype, two.shape, two.tobytes())


def check(path: Path) -> np.ndarray | str:
    """Assert that the outcome is CFITSIO's, for pixels and for codes, and that some of the rows are those of all."""
    found, coded = outcome(path), outcome(path, CODES)
    for whole, codes in ((found, None), (coded, CODES)):
        assert same(whole, by_cfitsio(path, codes))
        if not isinstance(whole, str):
            for step in (2, 8):
                assert same(outcome(path, codes, step), whole[::step])
    return found


@pytest.mark.parametrize("dither", DITHERS)
@pytest.mark.parametrize("seed", [1, 9_999])
def test_floats_of_every_dither_are_those_of_cfitsio(tmp_path, decoders, dither, seed):
    image = sky()
    image[7, 3:9] = 0
    check(write(tmp_path / "a.fits.fz", image, qmethod=dither, dither_seed=seed))
    assert decoders == {DIRECT: 2}


def test_a_row_may_be_longer_than_the_random_numbers_of_a_dither(tmp_path, decoders):
    check(write(tmp_path / "a.fits.fz", sky((3, 21_000)), dither_seed=9_998))
    assert decoders == {DIRECT: 2}


@pytest.mark.parametrize("dither", DITHERS)
def test_rows_of_one_value_are_those_of_cfitsio(tmp_path, decoders, dither):
    image = sky()
    image[5], image[6], image[7, 32:64] = 100, 0, 100
    check(write(tmp_path / "a.fits.fz", image, qmethod=dither, qlevel=-0.5))
    assert decoders == {DIRECT: 2}


@with_nan
@pytest.mark.parametrize("dither", DITHERS)
def test_nan_and_infinite_pixels_come_back_as_from_cfitsio(tmp_path, decoders, dither):
    image = sky()
    image[9, 9] = np.nan
    assert np.isnan(check(write(tmp_path / "a.fits.fz", image, qmethod=dither))).sum() == 1
    assert decoders == {DIRECT: 2}
    image[11, 3], image[10] = np.inf, np.nan
    assert np.isnan(check(write(tmp_path / "a.fits.fz", image, qmethod=dither))[10]).all()


@with_nan
def test_undefined_pixels_are_left_to_versions_of_fitsio_that_do_not_return_nan(tmp_path, decoders, monkeypatch):
    image = sky()
    image[9, 9] = np.nan
    path = write(tmp_path / "a.fits.fz", image)
    monkeypatch.setattr("badexp_assets.survey.rice_tiles._returns_nan", lambda: False)
    check(path)
    assert decoders == {LEFT_TO_CFITSIO: 2}


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("columns", [1, 31, 32, 33, 300])
def test_integers_of_every_type_and_width_are_those_of_cfitsio(tmp_path, decoders, dtype, columns):
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(1)
    image = np.zeros((40, columns), dtype)
    image[4:9, columns // 2 :] = 3
    image[10] = rng.integers(limits.min, limits.max, columns, dtype, endpoint=True)
    image[11, ::2], image[11, 1::2] = limits.min, limits.max
    image[12, -1], image[13, 0] = limits.max, limits.min
    for i in range(14, 40):
        image[i] = np.clip(rng.normal(9, 1.4 ** (i - 14), columns), limits.min, limits.max)
    found = check(write(tmp_path / "a.fits.fz", image))
    assert found.dtype == dtype
    assert (found == image).all()
    assert decoders == {DIRECT: 2}


@pytest.mark.parametrize("dither", DITHERS)
def test_the_other_name_of_the_compression_is_known(tmp_path, decoders, dither):
    path = write(tmp_path / "a.fits.fz", sky(), qmethod=dither)
    check(change_card(path, "ZCMPTYPE", "ZCMPTYPE= 'RICE_ONE'"))
    assert decoders == {DIRECT: 2}


def test_blocks_of_16_pixels_are_decoded(tmp_path, decoders):
    # fitsio writes blocks of 32; of rows of one block the header may say either
    image = np.arange(40 * 16, dtype=np.int32).reshape(40, 16)
    check(change_card(write(tmp_path / "a.fits.fz", image), "ZVAL1", f"ZVAL1   = {16:>20}"))
    assert decoders == {DIRECT: 2}


def test_descriptors_of_64_bits_are_read(tmp_path, decoders):
    image = np.arange(1200, dtype=np.int32).reshape(4, 300)
    path = write(tmp_path / "a.fits.fz", image)
    expected = outcome(path)
    content = path.read_bytes()
    end = (content.rindex(b"END" + b" " * 77) // 2880 + 1) * 2880
    table = np.frombuffer(content[end : end + 32], ">i4").astype(">i8").tobytes()
    path.write_bytes(content[:end] + table + content[end + 32 : -32])
    change_card(change_card(path, "TFORM1", "TFORM1  = '1QB(99) '"), "NAXIS1", f"NAXIS1  = {16:>20}")
    decoders.clear()
    assert same(check(path), expected)
    assert decoders == {DIRECT: 2}


pixels = st.one_of(
    hnp.arrays(np.int32, st.tuples(st.integers(1, 5), st.integers(1, 80))),
    hnp.arrays(np.int16, st.tuples(st.integers(1, 5), st.integers(1, 80))),
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 80))),
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(9, 80)),
        elements=st.floats(-1e6, 1e6, width=32) | st.just(np.nan),
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(pixels, st.sampled_from(DITHERS), st.integers(1, 10_000))
def test_any_image_is_what_cfitsio_reads(tmp_path, image, dither, seed):
    options = {"qmethod": dither, "dither_seed": seed} if image.dtype.kind == "f" else {}
    check(write(tmp_path / "a.fits.fz", image, **options))


@pytest.mark.parametrize(
    "options",
    [
        {"compress": "GZIP_1"},
        {"compress": "GZIP_2"},
        {"compress": "HCOMPRESS_1", "tile_dims": [20, 300]},
        {"tile_dims": [2, 300]},
        {"tile_dims": [1, 100]},
        {"compress": None, "tile_dims": None},
    ],
)
def test_other_compressions_and_tiles_are_left_to_cfitsio(tmp_path, decoders, options):
    image = (1000 * sky()).astype(np.int32)
    check(write(tmp_path / "a.fits.fz", image, **options))
    assert decoders == {LEFT_TO_CFITSIO: 2}


@pytest.mark.parametrize("dtype", [np.float64, np.int8, np.uint16, np.uint32])
def test_other_types_of_pixels_are_left_to_cfitsio(tmp_path, decoders, dtype):
    image = sky().clip(0, 100).astype(dtype)
    check(write(tmp_path / "a.fits.fz", image))
    assert decoders == {LEFT_TO_CFITSIO: 2}


def test_an_image_with_a_row_that_was_not_quantised_is_left_to_cfitsio(tmp_path, decoders):
    image = sky()
    image[6, ::2] *= 1e20  # beyond 32 bits
    check(write(tmp_path / "a.fits.fz", image))
    assert decoders == {LEFT_TO_CFITSIO: 2}


@pytest.mark.parametrize(
    "card",
    [
        "BSCALE  =                  2.0",
        "BZERO   =                100.0",
        "HIERARCH BZERO = 100.0",
        "BZERO   100.0",
        "bzero   =                100.0",
        "TZERO1  =                  1.0",
        "TSCAL2  =                  2.0",
        "ZBLANK  =                  800 / of the integers",
        "ZBLANK  =                  1E3",
        "BLANK   =                  800",
        "ZSCALE  =                  2.0",
        "ZDITHER0=                   17 / twice",
        "ZQUANTIZ= 'NONE    '",
        "ZQUANTIZ= 'SUBTRACTIVE_DITHER_3'",
        "ZTILE1  =                  150",
        "ZTILE2  =                    2",
        "ZVAL1   =                   16 / twice",
        "ZNAXIS1 =                  299",
        "THEAP   =                  960",
        "THEAP   =                  100",
        "END",
    ],
)
@pytest.mark.parametrize("name", ["RANDOM1", "ZVAL2", "ZQUANTIZ", "ZTILE1"])
def test_unusual_cards_mean_what_they_mean_to_cfitsio(tmp_path, name, card):
    path = write(tmp_path / "a.fits.fz", sky(), header={"RANDOM1": 1})
    check(change_card(path, name, card))


def test_scales_in_both_places_are_left_to_cfitsio(tmp_path, decoders):
    image = np.arange(1200, dtype=np.int16).reshape(4, 300)
    path = write(tmp_path / "a.fits.fz", image, header={"RANDOM1": 1})
    found = check(change_card(path, "RANDOM1", "BZERO   =               1000.0"))
    assert (found == image + 1000).all()
    assert decoders == {LEFT_TO_CFITSIO: 2}


def test_damaged_files_end_as_with_cfitsio(tmp_path, decoders, mutations):
    damage(tmp_path, mutations, 400)
    assert min(decoders[DIRECT], decoders[LEFT_TO_CFITSIO]) > 60


@pytest.mark.slow
def test_thousands_of_damaged_files_end_as_with_cfitsio(tmp_path, decoders, mutations):
    damage(tmp_path, mutations, 10_000, seed=1)
    assert min(decoders[DIRECT], decoders[LEFT_TO_CFITSIO]) > 1000


def damage(folder: Path, mutations, n: int, seed: int = 0) -> None:
    """Damage headers, tables and tiles of small files, and compare what is read."""
    rng = np.random.default_rng(seed)
    whole, path = [], folder / "a.fits.fz"
    for dither in DITHERS:
        image = sky((20, 70))
        image[7, 3:9] = 0
        whole.append(write(path, image, qmethod=dither).read_bytes())
        image[9, 9] = np.nan
        whole.append(write(path, image, qmethod=dither, dither_seed=7).read_bytes())
    for dtype in INTEGERS:
        image = np.zeros((20, 70), dtype)
        image[4:6, 10:30], image[7] = 3, rng.integers(0, 100, 70)
        image[8] = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, 70, dtype, endpoint=True)
        whole.append(write(path, image).read_bytes())
    for i in range(n):
        content = whole[rng.integers(len(whole))]
        data = (content.rindex(b"END" + b" " * 77) // mutations.BLOCK + 1) * mutations.BLOCK
        where = ((0, 0), (mutations.BLOCK, data), (data, data + 20 * 8), (data, len(content)))[rng.integers(4)]
        if where == (0, 0):
            damaged = bytearray(mutations.mutate(content, rng))
        else:
            damaged = bytearray(content)
            for place in rng.integers(*where, rng.integers(1, 4)):
                damaged[place] = rng.integers(256) if rng.random() < 0.5 else damaged[place] ^ 1 << rng.integers(8)
        path.write_bytes(damaged)
        codes = CODES if i % 2 else None
        assert same(outcome(path, codes), by_cfitsio(path, codes)), f"file {i} of seed {seed}"


def test_a_truncated_file_ends_as_with_cfitsio(tmp_path, decoders):
    path = write(tmp_path / "a.fits.fz", sky((200, 300)))
    content = path.read_bytes()
    for size in range(len(content) - 3000, len(content), 100):
        path.write_bytes(content[:size])
        check(path)
    assert decoders[DIRECT] == 0


def test_threads_that_decode_at_once_get_the_same_pixels(tmp_path, decoders):
    path = tmp_path / "a.fits.fz"
    with fitsio.FITS(str(path), "rw", clobber=True) as fits:
        for i in range(6):
            image = sky((400, 300), i)
            options = {"compress": "RICE_1", "tile_dims": [1, 300], "qlevel": 4, "qmethod": DITHERS[0]}
            fits.write(image, dither_seed=i + 1, **options)
    with FitsFile(path) as fits:
        expected = [fits.pixels(i, "CCD") for i in range(1, 7)]
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda i: fits.pixels(1 + i % 6, "CCD"), range(60)))
    assert all(same(found[i], expected[i % 6]) for i in range(60))
    assert decoders == {DIRECT: 66}


def test_cfitsio_does_not_read_the_pixels_of_a_usual_file(tiny_cp, tmp_path, monkeypatch):
    ooi = tiny_cp.write_cp(tmp_path)

    def fail(self):
        raise AssertionError("CFITSIO reads pixels")

    monkeypatch.setattr("fitsio.hdu.image.ImageHDU.read", fail)
    for path in (ooi, ooi.with_name(ooi.name.replace("ooi", "ood"))):
        with FitsFile(path) as fits:
            assert all(fits.pixels(i, "CCD").shape == (120, 90) for i in range(1, 5))


@pytest.mark.parametrize("whole", [0, 2**20])
def test_files_behind_urls_are_decoded_directly(tiny_cp, tmp_path, bucket, object_store, decoders, monkeypatch, whole):
    monkeypatch.setattr("badexp_assets.survey.remote_fits.WHOLE", whole)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ooi = tiny_cp.write_cp(tmp_path / "cp")
    object_store.upload(tmp_path / "cp", bucket / "cp")
    with FitsFile(bucket / "cp" / str(ooi.relative_to(tmp_path / "cp"))) as remote, FitsFile(ooi) as local:
        assert all(same(remote.pixels(i, "CCD"), local.pixels(i, "CCD")) for i in range(1, 5))
    assert decoders == {DIRECT: 8}


def test_a_file_that_is_replaced_while_it_is_open_keeps_its_pixels(tmp_path, decoders):
    path = write(tmp_path / "a.fits.fz", sky())
    with FitsFile(path) as fits:
        write(tmp_path / "b.fits.fz", sky(seed=1)).rename(path)
        assert same(fits.pixels(1, "CCD"), by_cfitsio(write(tmp_path / "c.fits.fz", sky())))
    assert decoders == {DIRECT: 1}


def test_a_file_that_is_compressed_as_a_whole_is_left_to_cfitsio(tmp_path, decoders):
    import gzip

    path = tmp_path / "a.fits.gz"
    path.write_bytes(gzip.compress(write(tmp_path / "a.fits.fz", sky()).read_bytes()))
    assert same(check(path), by_cfitsio(tmp_path / "a.fits.fz"))
    assert decoders == {LEFT_TO_CFITSIO: 2}


@pytest.mark.parametrize("dither", DITHERS)
def test_real_cutouts_are_those_of_cfitsio(shared_data, tmp_path, decoders, dither):
    paths = sorted((shared_data / "cutouts").glob("case*/images/**/*.fits*"))
    n = 0
    for path in paths:
        with fitsio.FITS(str(path)) as fits:
            images = [hdu.read() for hdu in fits if hdu.get_info()["ndims"] == 2]
        for image in images:
            options = {"qmethod": dither} if image.dtype.kind == "f" else {}
            check(write(tmp_path / "a.fits.fz", image, **options))
            n += 1
    assert n >= 48
    assert decoders[DIRECT] > n


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.int64, np.uint64, ">i4"])
@pytest.mark.parametrize("plver", ["V3.4.0", "V5.6"])
def test_codes_of_masks_are_the_same_for_every_type(dtype, plver):
    dtype = np.dtype(dtype)
    limits = np.iinfo(dtype)
    values = sorted({0, 1, 8, 9, 127, limits.min, limits.max} | {v for v in (2047, 2048, 2049) if v <= limits.max})
    codes = code_table(plver)
    expected = [codes[v] if 0 <= v < len(codes) - 1 else 1 for v in values]
    assert mask_codes(np.array([values], dtype), plver).tolist() == [expected]


def test_pixels_beyond_a_limit_become_nan():
    image = np.array([[1, 2e30, -2e30], [np.nan, np.inf, 1e30], [-1e30, -np.inf, 0]], np.float32)
    expected = np.where(np.abs(image) > np.float32(1e30), np.float32(np.nan), image)
    blank_beyond(image, np.float32(1e30))
    assert np.array_equal(image, expected, equal_nan=True)
