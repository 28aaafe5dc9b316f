"""State that the request handlers share."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from typing import Any

from anyio import CapacityLimiter
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from badexp_assets.config.home import Home
from badexp_assets.config.settings import Settings
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.review.accounts import Reviewers, Session
from badexp_assets.review.app.candidate_list import CandidateList
from badexp_assets.review.app.categories import Category, Gallery, describe_categories
from badexp_assets.review.app.dagster_ui import DEFAULT
from badexp_assets.review.app.exposures import Exposures
from badexp_assets.review.app.home_tables import HomeTables, records
from badexp_assets.review.app.known_exposures import KnownExposures
from badexp_assets.review.app.picture_cache import PictureCache
from badexp_assets.review.app.pictures import Pictures
from badexp_assets.review.app.reranking import Reranking
from badexp_assets.review.app.security import Throttle
from badexp_assets.review.app.surroundings import Surroundings
from badexp_assets.review.app.survey_numbers import SurveyNumbers
from badexp_assets.review.app.tag_list import TagList
from badexp_assets.review.database import Database
from badexp_assets.review.skill import OVERALL, reviewer_skill, skill_words
from badexp_assets.review.store import VerdictStore
from badexp_assets.review.tags import TagStore
from badexp_assets.review.tally import Tally, tally_of
from badexp_assets.review.vector_index import VectorIndex
from badexp_assets.review.verdicts import is_reviewer
from badexp_assets.survey.cameras import load_camera

MB = 10**6
_AT_ONCE = 2  # CCDs decoded at a time; each needs about 200 MB of memory


@dataclass(frozen=True)
class AppState:
    """The tables, pictures and answers of a home, for the request handlers. Made by `open_app_state`."""

    home: Home
    tables: HomeTables
    numbers: SurveyNumbers
    vectors: VectorIndex
    store: VerdictStore
    reviewers: Reviewers
    taxonomy: Taxonomy
    categories: tuple[Category, ...]
    ccd_names: dict[int, str]
    """CCD names by CCDNUM"""
    north_up: bool
    """whether it is known that pictures have North up and East left"""
    tags: TagList
    candidates: CandidateList
    hide_scores: bool
    """scores are hidden from all reviewers until they have answered"""
    exposures: Exposures
    surroundings: Surroundings
    known: KnownExposures
    pictures: Pictures
    gallery: Gallery
    throttle: Throttle
    templates: Environment
    dagster_ui: str
    """address of the Dagster UI"""
    drawing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_AT_ONCE))
    """threads that decode CCDs and draw, separate from those of other requests, which must not wait for them"""
    writing: threading.Lock = field(default_factory=threading.Lock)
    """held while an answer is written; unlike SQLite's own lock, which polls, it serves writers in order"""

    def tally(self, reviewer: str) -> Tally:
        """Return the counts of a reviewer's answers, with the outcomes of the last run."""
        return tally_of(self.store.read(), self.tables.read("review_outcomes"), reviewer)

    def skill(self, reviewer: str) -> list[dict[str, Any]]:
        """Return the reviewer's own rows of `review_skill` as of now with `words` on each, those of all cases first."""
        known = self.store.read_known(retracted=True)
        rows = records(reviewer_skill(known[is_reviewer(known["reviewer"], reviewer)]))
        return [row | {"words": skill_words(row)} for row in sorted(rows, key=lambda row: row["known"] not in OVERALL)]

    def page(self, template: str, request: Request, status: int = 200, **values: Any) -> HTMLResponse:
        """Return the page of a template with `values`, whose text is escaped."""
        session: Session | None = getattr(request.state, "session", None)
        values |= {"session": session, "categories": self.categories}
        values["category_data"] = [asdict(category) for category in self.categories]
        values |= {"ccd_names": self.ccd_names, "hide_scores": self.hide_scores, "north_up": self.north_up}
        values["has_map"] = session is not None and self.home.embedding_map.exists()
        html = self.templates.get_template(template).render(values)
        return HTMLResponse(html, status)


def open_app_state(settings: Settings) -> AppState:
    """Open a home for the app. Raises InputError for invalid options."""
    params = settings.options.review
    camera, taxonomy = load_camera(settings.camera), load_taxonomy(settings.taxonomy)
    tables, database = HomeTables(settings.home), Database(settings.verdicts, keep_open=True)
    store = VerdictStore(database)
    numbers = SurveyNumbers(tables, camera, settings.home.exposure_numbers)
    reranking, tags = Reranking(settings.home, camera, params.refit_after), TagList(TagStore(database))
    known = KnownExposures(tables, numbers, params)
    cache = PictureCache(settings.home.pictures, params.pictures_mb * MB)
    categories = describe_categories(taxonomy)
    return AppState(
        home=settings.home,
        tables=tables,
        numbers=numbers,
        vectors=VectorIndex(settings.home),
        store=store,
        reviewers=Reviewers(database),
        taxonomy=taxonomy,
        categories=categories,
        ccd_names={ccdnum: ccd.ccdname for ccdnum, ccd in camera.by_number.items()},
        north_up=bool(camera.x_towards),
        tags=tags,
        candidates=CandidateList(tables, store, params, settings.options.consensus, reranking, known, tags, numbers),
        hide_scores=params.hides_scores,
        exposures=Exposures(tables, camera, params.links, known, settings.options.vote),
        surroundings=Surroundings(tables, numbers, known),
        known=known,
        pictures=Pictures(tables, settings, camera, cache),
        gallery=Gallery(tables, categories, camera, known),
        throttle=Throttle(),
        templates=Environment(
            loader=PackageLoader("badexp_assets.review.app", "templates"), autoescape=True, undefined=StrictUndefined
        ),
        dagster_ui=settings.options.alerts.ui or DEFAULT,
    )


def state_of(request: Request) -> AppState:
    """Return the state of the app that received a request."""
    state: AppState = request.app.state.app_state
    return state


def session_of(request: Request) -> Session:
    """Return the session of a request, which Guard has set."""
    session: Session = request.state.session
    return session
