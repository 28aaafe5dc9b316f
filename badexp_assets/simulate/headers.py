"""FITS headers of a synthetic exposure, with the cards and the quirks of Community Pipeline headers."""

from __future__ import annotations

from typing import Any

import numpy as np

from badexp_assets.simulate.exposure import SimulatedCcd
from badexp_assets.simulate.survey_plan import PLVER, ExposurePlan
from badexp_assets.survey.camera_file import USUAL_CARDS
from badexp_assets.survey.masks import BLEED, SATURATED

Cards = list[dict[str, Any]]

PRODUCT_TYPES = {"ooi": "image", "ood": "dqmask", "oow": "wtmap"}
MM_X, MM_Y = "SIMDXMM", "SIMDYMM"
_OF_CP = {
    "PROCTYPE",
    "PRODTYPE",
    "DTCALDAT",
    "DTNSANAM",
    "DTINSTRU",
    "NITE",
    "PLPROCID",
    "WCSCAL",
    "SCAMPFLG",
    "SKYSUB",
}
PROCESSED = "2019-07-22T16:23:50"  # PROCDATE of every simulated file


def plproc_id(seed: int) -> str:
    """Return PLPROCID, seven hexadecimal digits as text; for some seeds all of them are decimal digits."""
    return f"{(0x5250000 + 7919 * seed) & 0xFFFFFFF:07x}"


def sexagesimal(degrees: float, hours: bool = False) -> str:
    """Return an angle (deg) as `[-]DD:MM:SS.S` or, with `hours`, as `HH:MM:SS.SS`."""
    value = abs(degrees) / (15 if hours else 1)
    places = 2 if hours else 1
    total = round(value * 3600, places)
    whole = int(total // 3600)
    minutes = int(total % 3600 // 60)
    text = f"{whole:02d}:{minutes:02d}:{total % 60:0{places + 3}.{places}f}"
    return f"-{text}" if degrees < 0 and not hours else text


def primary_cards(plan: ExposurePlan, product: str, exptime: float, seed: int) -> Cards:
    """Return the primary header's cards of a product (ooi, ood, oow); `exptime` (s): after the anomaly shortened it."""
    started = plan.start.isoformat(timespec="seconds") + ".640012"
    cards: list[tuple[str, Any, str]] = [
        ("OBJECT", f"DECaLS_{plan.expnum % 60000}_{plan.band}", "Name of the object observed"),
        ("PROCTYPE", "InstCal", "Data processing level"),
        ("PRODTYPE", PRODUCT_TYPES[product], "Data product type"),
        ("PIXSCAL1", plan.camera.pixel_scale, "[arcsec/pixel] Pixel scale, axis 1"),
        ("PIXSCAL2", plan.camera.pixel_scale, "[arcsec/pixel] Pixel scale, axis 2"),
        ("TELESCOP", plan.camera.telescope, "Telescope name"),
        ("OBSERVAT", plan.camera.observatory, "Observatory name"),
        ("INSTRUME", plan.camera.instrument, "Instrument used to obtain these data"),
        ("EXPREQ", plan.exptime, "[s] Requested exposure duration"),
        ("EXPTIME", exptime, "[s] Exposure duration"),
        ("EXPDUR", exptime, "[s] Exposure duration"),
        ("DATE-OBS", started, "DateTime of observation start (UTC)"),
        ("TIME-OBS", started[11:], "Time of observation start (UTC)"),
        ("MJD-OBS", round(plan.mjd_obs + 0.640012 / 86400, 8), "MJD of observation start"),
        ("MJD-END", round(plan.mjd_obs + (0.640012 + exptime) / 86400, 9), "Exposure end"),
        ("TIMESYS", "UTC", "Time system"),
        ("EXPNUM", plan.expnum, f"{plan.camera.instrument} exposure number"),
        ("OBSTYPE", "object", "Type of observation"),
        ("CAMSHUT", "Open", "Camera shutter at exposure start"),
        ("PROGRAM", "synthetic survey", "Current observing program"),
        ("PROPID", "2014B-0404", "Proposal ID"),
        ("FILTER", plan.camera.filters[plan.band], "Unique filter identifier"),
        ("TELRA", sexagesimal(plan.ra, hours=True), "[HH:MM:SS] Telescope RA"),
        ("TELDEC", sexagesimal(plan.dec), "[DD:MM:SS] Telescope DEC"),
        ("HA", "00:39:30.160", "[HH:MM:SS] Telescope hour angle"),
        ("ZD", round(float(np.degrees(np.arccos(1 / plan.airmass))), 2), "[deg] Telescope zenith distance"),
        ("AIRMASS", f"{plan.airmass:.2f}" if "airmass" in plan.header_quirks else plan.airmass, "Airmass"),
        (
            "DIMMSEE",
            "NaN" if "dimmsee" in plan.header_quirks else round(plan.seeing_px * 0.2, 3),
            "[arcsec] DIMM Seeing",
        ),
        ("DTCALDAT", plan.night, "local date of the evening"),
        ("DTNSANAM", plan.file_name(product), ""),
        ("DTINSTRU", plan.camera.name, ""),
        ("RADESYS", "FK5", "World coordinate reference frame"),
        ("EQUINOX", 2000.0, "Mean equinox"),
        ("BAND", plan.band, ""),
        ("NITE", plan.night.replace("-", ""), ""),
        ("PLVER", PLVER, "Community Pipeline version"),
        ("PLPROCID", plproc_id(seed), "Processing ID"),
        ("PROCDATE", PROCESSED, "Processing date"),
        ("WCSCAL", "Failed" if "wcscal" in plan.header_quirks else "Successful", "WCS calibration"),
        ("SCAMPFLG", 0, "SCAMP flag"),
        ("SKYSUB", True, "Sky pattern subtracted"),
        ("MAGZERO", round(plan.zero_point + 2.5 * np.log10(plan.exptime), 3), "[mag] Magnitude zero point"),
        ("NEXTEND", 2, "Number of extensions"),
        ("SIMULATD", True, "Synthetic exposure made by badexp simulate"),
        ("SIMSEED", seed, "Seed of the synthetic survey"),
    ]
    if "radec" not in plan.header_quirks:
        cards[22:22] = [
            ("RA", sexagesimal(plan.ra, hours=True), "[h] RA exposure center"),
            ("DEC", sexagesimal(plan.dec), "[deg] DEC exposure center"),
        ]
    if not plan.camera.needs_cp_cards:
        cards = [card for card in cards if card[0] not in _OF_CP]
    renamed = {usual[0]: plan.camera.cards[value][0] for value, usual in USUAL_CARDS.items()}
    return _cards([(renamed.get(card, card), value, comment) for card, value, comment in cards])


def ccd_cards(plan: ExposurePlan, ccd: SimulatedCcd, product: str) -> Cards:
    """Return the cards of a CCD's extension. CRVAL is the focal plane's centre; columns run South, rows East."""
    crpix1, crpix2 = ccd.frame.crpix
    scale = plan.camera.pixel_scale / 3600
    if ccd.frame.ccd.rotated:
        rows, columns = ccd.frame.shape
        crpix1, crpix2, scale = columns + 1 - crpix1, rows + 1 - crpix2, -scale
    pixels, amplifiers = ccd.pixels, ccd.amplifiers
    cards: list[tuple[str, Any, str]] = [
        ("INHERIT", True, "Inherits global header"),
        ("DETPOS", ccd.frame.ccd.ccdname, "detector position ID"),
        ("CCDNUM", ccd.frame.ccd.ccdnum, "CCD number"),
    ]
    for i, amp in enumerate("AB"):
        cards += [
            (f"GAIN{amp}", amplifiers.gain[i], f"[electrons/ADU] Gain for amp {amp}"),
            (f"RDNOISE{amp}", amplifiers.read_noise[i], f"[electrons] Read noise for amp {amp}"),
            (f"SATURAT{amp}", amplifiers.saturate[i], f"[ADU] Saturation for amp {amp}"),
        ]
    cards += [
        ("SATURATE", pixels.saturate, "[ADU] Saturation"),
        ("CTYPE1", "RA---TPV", "WCS projection type for this axis"),
        ("CTYPE2", "DEC--TPV", "WCS projection type for this axis"),
        ("CUNIT1", "deg", "Axis unit"),
        ("CUNIT2", "deg", "Axis unit"),
        ("CRVAL1", plan.ra, "World coordinate on this axis"),
        ("CRVAL2", plan.dec, "World coordinate on this axis"),
        ("CRPIX1", crpix1, "Reference pixel on this axis"),
        ("CRPIX2", crpix2, "Reference pixel on this axis"),
        ("CD1_1", 0.0, "Linear projection matrix"),
        ("CD1_2", scale, "Linear projection matrix"),
        ("CD2_1", -scale, "Linear projection matrix"),
        ("CD2_2", 0.0, "Linear projection matrix"),
    ]
    for axis in (1, 2):
        cards += [(f"PV{axis}_{k}", 1.0 if k == 1 else 0.0, "Projection distortion parameter") for k in range(11)]
    cards.append((MM_X, ccd.frame.dx_mm, "[mm] column step in the focal plane"))
    cards.append((MM_Y, ccd.frame.dy_mm, "[mm] row step in the focal plane"))
    if product == "ooi":
        sky, sigma = sky_statistics(pixels.image)
        mask = np.asarray(pixels.mask)
        cards += [
            ("NSATPIX", int((mask == SATURATED).sum()), "Number of saturated pixels"),
            ("NBLEED", int((mask == BLEED).sum()), "Number of bleed trail pixels."),
            ("FWHM", round(pixels.fwhm_px, 6), "Median FWHM in pixels"),
            ("AVSKY", sky, "[ADU] Average sky"),
            ("AVSIG", sigma, "[ADU] Average sky noise"),
            ("ARAWGAIN", round(float(np.mean(amplifiers.gain)), 3), "[e/adu] Average raw gain"),
            ("FZALGOR", "RICE_1", ""),
            ("FZQVALUE", 4, ""),
            ("FZQMETHD", "SUBTRACTIVE_DITHER_1", ""),
        ]
    return _cards(cards)


def sky_statistics(image: Any) -> tuple[float, float]:
    """Return median and 1.4826 MAD (ADU) of every seventh pixel, rounded as in CP headers."""
    sample = image.ravel()[::7]
    middle = float(np.median(sample))
    return round(middle, 4), round(1.4826 * float(np.median(np.abs(sample - middle))), 6)


def _cards(cards: list[tuple[str, Any, str]]) -> Cards:
    return [{"name": name, "value": value, "comment": comment} for name, value, comment in cards]
