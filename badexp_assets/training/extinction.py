"""E(B-V) of exposures, from the survey's annotated CCD table or from the SFD dust maps.

All values are E(B-V) of Schlegel, Finkbeiner & Davis (1998, ApJ 500, 525) as in their maps, without the recalibration
by 0.86 of Schlafly & Finkbeiner (2011), which sfdmap2 applies by default. The column `ebv` of the Legacy Surveys'
annotated tables is defined in the same way; there the recalibration is part of the extinction coefficients.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from badexp_assets.errors import InputError

ANNOTATED, SURVEY, HEADER, UNKNOWN = "annotated", "SFD at survey position", "SFD at header position", "unknown"
ORIGINS = (ANNOTATED, SURVEY, HEADER, UNKNOWN)
_MAPS = {"SFD_dust_4096_ngp.fits": 1, "SFD_dust_4096_sgp.fits": -1}  # file name: its LAM_NSGP
_CARDS = ("LAM_NSGP", "LAM_SCAL", "CRPIX1", "CRPIX2")


def check_sfd_maps(folder: str | Path) -> None:
    """Raise InputError unless `folder` has both SFD maps, complete and with the header cards of their projection.

    Reads headers and file sizes, no pixels.
    """
    import fitsio

    for name, hemisphere in _MAPS.items():
        path = Path(folder).expanduser() / name
        where = f"training: sfd_maps: {path}"
        if not path.is_file():
            raise InputError(f"{where}: no such file; the folder must hold {' and '.join(_MAPS)}")
        try:
            with fitsio.FITS(str(path)) as fits:
                header, info = fits[0].read_header(), fits[0].get_info()
        except Exception as error:  # fitsio raises many types for damaged files
            message = str(error).strip() or type(error).__name__
            raise InputError(f"{where}: not a readable FITS file ({message.splitlines()[0]})") from error
        missing = [card for card in _CARDS if not isinstance(header.get(card), int | float)]
        if missing or info["ndims"] != 2:
            found = f"no number in {', '.join(missing)}" if missing else f"{info['ndims']} dimensions"
            raise InputError(f"{where}: {found}; a Lambert map with {', '.join(_CARDS)} is needed")
        if header["LAM_NSGP"] != hemisphere:
            raise InputError(f"{where}: LAM_NSGP is {header['LAM_NSGP']}; {hemisphere} is needed")
        if path.stat().st_size < info["data_end"]:
            raise InputError(f"{where}: truncated: {path.stat().st_size} bytes of {info['data_end']}")


def sfd_ebv(folder: str | Path, ra: ArrayLike, dec: ArrayLike) -> np.ndarray:
    """Return E(B-V) (mag, float64, (n,)) of the SFD maps in `folder` at ICRS positions `ra`, `dec` (degrees, (n,)).

    Interpolated bilinearly between map pixels, not recalibrated; NaN for an invalid position. Raises InputError as
    `check_sfd_maps` does.
    """
    check_sfd_maps(folder)
    ra, dec = np.asarray(ra, dtype=np.float64), np.asarray(dec, dtype=np.float64)
    values = np.full(ra.shape, np.nan)
    known = np.isfinite(ra) & (np.abs(dec) <= 90)  # sfdmap2 returns uninitialised values for others
    if known.any():
        from sfdmap2.sfdmap import SFDMap

        values[known] = SFDMap(str(Path(folder).expanduser()), scaling=1.0).ebv(ra[known], dec[known])
    return values


def exposure_ebv(exposures: pd.DataFrame, survey: pd.DataFrame | None, sfd_maps: str | Path | None) -> pd.DataFrame:
    """Return `ebv` (mag; NaN: unknown) and `origin` (one of ORIGINS) of every exposure, indexed by expnum.

    The first available value is used: the mean `ebv` of the exposure's CCDs in `survey`; with `sfd_maps`, the mean of
    the maps at the positions of these CCDs; with `sfd_maps`, the map at the position in the exposure's header. The
    columns ra and dec (degrees) of `exposures` and `survey`, and ebv of `survey`, may be missing.
    """
    expnums = pd.Index(exposures["expnum"].unique(), name="expnum")
    found = pd.DataFrame({"ebv": np.nan, "origin": UNKNOWN}, index=expnums)

    def fill(values: pd.Series, origin: str) -> None:
        values = values.dropna()
        rows = found.index[found["ebv"].isna() & found.index.isin(values.index)]
        found.loc[rows, "ebv"] = values.loc[rows].astype(float)
        found.loc[rows, "origin"] = origin

    ccds = survey[survey["expnum"].isin(expnums)] if survey is not None else None
    if ccds is not None and "ebv" in ccds:
        fill(ccds.groupby("expnum")["ebv"].mean(), ANNOTATED)
    if sfd_maps is not None:
        for table, origin in ((ccds, SURVEY), (exposures, HEADER)):
            if table is None or not {"ra", "dec"} <= set(table):
                continue
            rows = table[table["expnum"].isin(found.index[found["ebv"].isna()])]
            ra, dec = (rows[name].to_numpy(dtype="float64", na_value=np.nan) for name in ("ra", "dec"))
            fill(pd.Series(sfd_ebv(sfd_maps, ra, dec), index=rows["expnum"]).groupby(level=0).mean(), origin)
    return found
