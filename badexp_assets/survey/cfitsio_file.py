"""A file that CFITSIO reads, whose extensions before a damaged one can be read on every version of Python."""

import fitsio


class CfitsioFile(fitsio.FITS):
    """fitsio's file, which finds the extensions before one that is damaged.

    fitsio lists extensions until one raises an OSError. If the message of CFITSIO has bytes that are no text, newer
    versions of Python (3.11.7, not 3.11.2) raise a UnicodeDecodeError instead, and no extension is found.
    """

    def movabs_hdu(self, hdunum: int) -> int:
        """Move to an extension; 1 is the primary. Raises OSError if it is damaged or there is none."""
        try:
            kind: int = super().movabs_hdu(hdunum)
        except UnicodeDecodeError as error:
            raise OSError("bytes that are no text") from error
        return kind
