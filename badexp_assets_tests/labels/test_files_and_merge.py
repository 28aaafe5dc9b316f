import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from badexp_assets.errors import InputError, LabelFileError
from badexp_assets.io.parquet import to_arrow, write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.label_files import find_label_files, list_label_files, read_decals, read_delve, read_des
from badexp_assets.labels.merge import merge_labels
from badexp_assets.labels.survey_ccds import read_survey, read_survey_ccds
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.nights import night_of, nights_of

CAMERA = load_camera()
TAXONOMY = load_taxonomy()
MJD = 56960.2  # 2014-10-30, in the night of 2014-10-29


def survey_table(**more):
    columns = {
        "expnum": np.array([100, 100, 101], "i4"),
        "ccdname": np.array(["N4 ", "S29", "N4 "]),
        "filter": np.array(["g ", "g ", "z "]),
        "mjd_obs": np.full(3, MJD),
        "exptime": np.full(3, 90.0, "f4"),
    }
    return Table(columns | more)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep" / "y02").mkdir(parents=True)
    (tmp_path / "decam-bad_expid.txt").write_text("100 1\n101-N4 out of focus\n102 expfactor=0.2\n103\n104 xyzzy\n")
    (tmp_path / "deep" / "y02" / "noise-y02.txt").write_text("20141029 100 nan nan 33\n20141029 105 nan nan 35\n")
    (tmp_path / "deep" / "y02" / "problem-y02.txt").write_text("20141029  106  Clouds\n20141029  102  Ghosting\n")
    (tmp_path / "deep" / "y02" / "README.txt").write_text("not a list\n")
    Table({"EXPNUM": [105, 105], "CCDNUM": [35, 36], "REASON": ["noise", "Wonky"]}).write(tmp_path / "des-exclude.fits")
    (tmp_path / "broken_exclude.csv").write_text("a,b\n1,2\n")
    survey_table().write(tmp_path / "survey-ccds-1.fits.gz")
    (tmp_path / "my_verdicts.csv").write_text("expnum,reviewer,verdict\n")
    return tmp_path


def test_files_are_found_by_name_at_any_depth(folder):
    assert find_label_files(folder).listing() == {
        "bad_expid": ["decam-bad_expid.txt"],
        "exclude_lists": ["deep/y02/noise-y02.txt", "deep/y02/problem-y02.txt"],
        "exclude_tables": ["broken_exclude.csv", "des-exclude.fits"],
        "survey": ["survey-ccds-1.fits.gz"],
        "verdicts": ["my_verdicts.csv"],
    }


def test_folders_behind_links_are_searched_and_each_file_is_read_once(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "new").mkdir()
    (elsewhere / "new" / "streak.txt").write_text("20141029 107 nan nan 33\n")
    expected = find_label_files(folder).listing()
    (folder / "a").symlink_to("deep")  # read under the real folder's name
    (folder / "deep" / "y02" / "up").symlink_to(folder)
    (folder / "latest").symlink_to(elsewhere / "new")
    (folder / "y05").symlink_to(elsewhere / "new")  # only with this name it is an exclude folder
    (elsewhere / "back").symlink_to(folder)
    (folder / "elsewhere").symlink_to(elsewhere)
    expected["exclude_lists"] = [*expected["exclude_lists"], "y05/streak.txt"]
    assert find_label_files(folder).listing() == expected


def test_a_folder_that_can_not_be_read_is_an_error_that_names_it():
    root = os.geteuid() == 0
    place = Path(tempfile.mkdtemp(prefix="badexp-refused-"))  # nobody else may enter the folders of pytest
    try:
        place.chmod(0o755)
        (place / "y05").mkdir()
        (place / "y05" / "problem-y05.txt").write_text("20171010  700000  Clouds\n")
        for mode in (0o000, 0o444):  # 0o444: names can be listed, files can't be looked at
            (place / "y05").chmod(mode)
            if root:
                os.seteuid(65534)
            try:
                with pytest.raises(InputError, match=f"{place}/y05.* can't be read .Permission denied"):
                    find_label_files(place)
            finally:
                if root:
                    os.seteuid(0)
    finally:
        (place / "y05").chmod(0o755)
        shutil.rmtree(place)


def test_a_label_file_whose_link_leads_nowhere_is_an_error(folder):
    (folder / "other-bad_expid.txt").symlink_to(folder / "gone.txt")
    with pytest.raises(InputError, match=r"other-bad_expid\.txt: can't be read \(No such file"):
        list_label_files(find_label_files(folder))


def test_text_files_of_a_years_folder_are_lists_or_named_as_not_used(tmp_path):
    (tmp_path / "y07").mkdir()
    (tmp_path / "blacklists").mkdir()
    names = ["gremlin-y07.txt", "crosstalk.txt", "ccd46-y07.txt", "trailed-y7-uniq.txt", "notes.txt", "README.txt"]
    for name in [f"y07/{n}" for n in names] + ["blacklists/streak-sv-uniq.txt", "blacklists/todo-y1.txt"]:
        (tmp_path / name).write_text("20191221 921464 nan nan 3\n")
    files = find_label_files(tmp_path)
    lists = ["blacklists/streak-sv-uniq.txt", *(f"y07/{n}" for n in sorted(names[:4]))]
    assert files.listing()["exclude_lists"] == lists
    assert set(files.unused) == {"blacklists/todo-y1.txt", "y07/README.txt", "y07/notes.txt"}
    table = read_delve(files)
    unmatched = table[table["status"] == "unmatched"]
    assert (unmatched["file"].tolist(), unmatched["reason"].tolist()) == (["y07/gremlin-y07.txt"], ["gremlin"])


def test_a_list_of_another_camera_beside_ours_labels_nothing(folder):
    (folder / "mosaic-bad_expid.txt").write_text("105 1\n107 clouds\n")
    (folder / "90prime-bad_expid.txt").write_text("105 1\n")
    decals = read_decals(find_label_files(folder))
    others = decals[decals["file"] != "decam-bad_expid.txt"]
    assert others["status"].tolist() == ["ignored"] * 3
    assert others["expnum"].isna().all()
    assert "a list of 90prime" in others["status_reason"].iloc[0]
    assert to_arrow(decals, SCHEMAS["decals_bad_exposures"]).num_rows == 8
    assert 107 not in set(merge(folder).table["expnum"])


def test_files_are_listed_with_size_and_content_hash(folder):
    listed = list_label_files(find_label_files(folder)).set_index("file")
    assert len(listed) == 7
    path = folder / "decam-bad_expid.txt"
    assert listed.loc[path.name].tolist() == [
        "bad_expid",
        path.stat().st_size,
        hashlib.sha256(path.read_bytes()).hexdigest(),
    ]


def test_the_folder_of_a_single_year_can_be_a_source(folder):
    found = find_label_files(folder / "deep" / "y02")
    assert [p.name for p in found.exclude_lists] == ["noise-y02.txt", "problem-y02.txt"]


def test_an_unusable_survey_table_is_listed_and_the_others_are_read(folder):
    (folder / "survey-ccds-broken.fits").write_text("no FITS")
    found = read_survey(find_label_files(folder), CAMERA)
    assert len(found) == 3
    assert len(found.attrs["problems"]) == 1
    assert "survey-ccds-broken.fits" in found.attrs["problems"][0]


def test_merging_stored_tables_gives_the_same_as_merging_fresh_ones(folder, tmp_path_factory):
    files, stored = find_label_files(folder), tmp_path_factory.mktemp("tables")
    fresh = {
        "decals_bad_exposures": read_decals(files),
        "des_bad_ccds": read_des(files),
        "delve_bad_ccds": read_delve(files),
        "survey_ccds": read_survey(files, CAMERA),
    }
    back = []
    for name, table in fresh.items():
        write_table(table, stored / f"{name}.parquet", SCHEMAS[name])
        back.append(read_table(stored / f"{name}.parquet"))
    merged = merge_labels(*back[:3], None, back[3], CAMERA, TAXONOMY)
    pd.testing.assert_frame_equal(merged.table, merge(folder).table)
    assert merged.counts | {"review_lines": 0} == merge(folder).counts | {"review_lines": 0}


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        find_label_files(tmp_path / "nowhere")


def test_an_empty_folder_gives_empty_tables_that_can_be_stored_and_merged(tmp_path):
    files = find_label_files(tmp_path)
    decals, des, delve, survey = read_decals(files), read_des(files), read_delve(files), read_survey(files, CAMERA)
    for name, table in (
        ("decals_bad_exposures", decals),
        ("des_bad_ccds", des),
        ("delve_bad_ccds", delve),
        ("survey_ccds", survey),
    ):
        assert to_arrow(table, SCHEMAS[name]).num_rows == 0
    merged = merge_labels(decals, des, delve, None, survey, CAMERA, TAXONOMY)
    assert to_arrow(merged.table, SCHEMAS["bad_ccd_labels"]).num_rows == 0
    assert merged.counts["ccds"] == 0


def test_an_unusable_file_is_reported_once_and_the_others_are_read(folder):
    des = read_des(find_label_files(folder))
    broken = des[des["file"] == "broken_exclude.csv"].iloc[0]
    assert (broken["status"], broken["line"]) == ("unmatched", 0)
    assert "EXPNUM" in broken["status_reason"]
    assert (des["status"] == "label").sum() == 2
    assert to_arrow(des, SCHEMAS["des_bad_ccds"]).num_rows == 3


def merge(folder, reviewed=None):
    files = find_label_files(folder)
    return merge_labels(
        read_decals(files), read_des(files), read_delve(files), reviewed, read_survey(files, CAMERA), CAMERA, TAXONOMY
    )


def test_whole_exposures_become_the_ccds_that_existed(folder):
    merged = merge(folder)
    sizes = merged.table.groupby("expnum").size()
    assert merged.table.loc[merged.table["expnum"] == 100, "ccdnum"].tolist() == [
        1,
        33,
        35,
    ]  # two of the survey, one listed
    assert sizes[106] == 60  # alive that night: all but N30 and S30
    assert sizes[102] == 60
    assert 61 not in merged.table.loc[merged.table["expnum"] == 106, "ccdnum"].tolist()
    assert sizes[101] == 1
    assert 103 not in sizes.index
    assert 104 not in sizes.index
    counts = merged.counts
    assert (counts["decals_label"], counts["decals_ignored"], counts["decals_unmatched"]) == (3, 1, 1)
    assert counts["expanded_by_survey_ccds"] == 1
    assert counts["expanded_by_night"] == 2
    assert counts["expanded_by_camera"] == 0
    assert counts["ccd_lines"] - counts["duplicate_lines"] == counts["ccds"] == len(merged.table)
    assert to_arrow(merged.table, SCHEMAS["bad_ccd_labels"]).num_rows == len(merged.table)


def test_precedence_decides_conflicts_and_they_are_listed(folder):
    merged = merge(folder)
    row = merged.table[(merged.table["expnum"] == 102) & (merged.table["ccdnum"] == 5)].iloc[0]
    assert (row["category"], row["source"], row["n_sources"], row["conflict"]) == (
        "nonoptimal_exposure",
        "decals",
        2,
        True,
    )
    both = merged.contradictions[(merged.contradictions["expnum"] == 102) & (merged.contradictions["ccdnum"] == 5)]
    assert both["category"].tolist() == ["nonoptimal_exposure", "ghost_scatter"]
    assert both["holds"].tolist() == [True, False]
    agree = merged.table[(merged.table["expnum"] == 105) & (merged.table["ccdnum"] == 35)].iloc[0]
    assert (agree["source"], agree["n_sources"], agree["conflict"]) == ("delve", 2, False)
    assert merged.counts["conflicts"] == merged.table["conflict"].sum() == 60


def test_reviewers_take_precedence_over_all_lists_and_unknown_categories_are_counted(folder):
    reviewed = pd.DataFrame(
        {
            "expnum": [102, 107],
            "ccdnum": pd.array([5, None], "Int16"),
            "category": ["psf", "unknown"],
            "plver": ["V5", None],
            "rule": "r",
        }
    )
    merged = merge(folder, reviewed)
    row = merged.table[(merged.table["expnum"] == 102) & (merged.table["ccdnum"] == 5)].iloc[0]
    assert (row["category"], row["source"], row["plver"], row["whole_exposure"]) == ("psf", "review", "V5", False)
    assert merged.counts["review_without_known_category"] == 1
    assert 107 not in set(merged.table["expnum"])


def test_survey_tables_of_all_releases_are_read(tmp_path):
    path = tmp_path / "survey-ccds-x.kd.fits"
    table = survey_table(
        ccd_cuts=np.array([0, 4, 0], "i4"),
        zpt=np.full(3, 25.0, "f4"),
        ebv=np.array([0.01, 0.02, 0.0], "f4"),
        annotated=[True, True, False],
    )
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(table), fits.ImageHDU(np.zeros((3, 3)))])
    hdus.writeto(path)
    found = read_survey_ccds(path, CAMERA)
    assert found["ccdnum"].tolist() == [35, 1, 35]
    assert found["filter"].tolist() == ["g", "g", "z"]
    assert found["night"].tolist() == ["2014-10-29"] * 3
    assert found["ccd_cuts"].tolist() == [0, 4, 0]
    assert found["ebv"].isna().tolist() == [False, False, True]
    assert found["ccdzpt"].tolist() == [25.0] * 3
    assert found["fwhm"].isna().all()
    to_arrow(found.assign(file="x"), SCHEMAS["survey_ccds"])


def test_rows_of_other_cameras_and_unknown_ccds_are_left_out_and_counted(tmp_path):
    path = tmp_path / "survey-ccds.fits"
    survey_table(camera=["decam", "90prime", "decam"], fwhm=[1.0, 1, 1]).write(path)
    assert read_survey_ccds(path, CAMERA).attrs["counts"]["other_camera"] == 1
    table = survey_table()
    table["ccdname"][0] = "Q9"
    table["mjd_obs"][1] = np.nan
    table.write(path, overwrite=True)
    counts = read_survey_ccds(path, CAMERA).attrs["counts"]
    assert (counts["unknown_ccdname"], counts["no_expnum_or_time"], counts["kept"]) == (1, 1, 1)


def test_a_survey_table_without_a_needed_column_names_it(tmp_path):
    path = tmp_path / "survey-ccds.fits"
    table = survey_table()
    table.remove_column("ccdname")
    table.write(path)
    with pytest.raises(LabelFileError, match=r"survey-ccds\.fits: column\(s\) ccdname missing"):
        read_survey_ccds(path, CAMERA)


def test_if_two_survey_tables_have_a_ccd_the_annotated_row_is_kept(tmp_path):
    survey_table().write(tmp_path / "survey-ccds.fits")
    survey_table(ebv=np.full(3, 0.03, "f4")).write(tmp_path / "ccds-annotated.fits")
    found = read_survey(find_label_files(tmp_path), CAMERA)
    assert len(found) == 3
    assert found["ebv"].notna().all()


def test_nights_of_many_times_equal_those_computed_one_by_one():
    times = np.random.default_rng(3).uniform(56000, 60000, 300)
    assert nights_of(times, CAMERA).tolist() == [night_of(float(t), CAMERA) for t in times]


def test_real_survey_tables_are_read(shared_data):
    found = read_survey(find_label_files(shared_data / "cutouts"), CAMERA)
    assert len(found) == 16
    folders = found["image_filename"].str.extract(r"/CP(\d{8})/")[0]
    assert (found["night"].str.replace("-", "") == folders).all()
    assert found.attrs["problems"] == []
