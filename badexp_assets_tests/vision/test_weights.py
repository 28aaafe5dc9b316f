"""Weights of a home, fetched from folders, files and a hub on this machine that speaks the real one's protocol."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from badexp_assets.commands.cli import badexp
from badexp_assets.config.settings import load_settings
from badexp_assets.errors import InputError, ModelError
from badexp_assets.vision.backbones import lite_weights, load_backbone
from badexp_assets.vision.weights import WeightStore
from badexp_assets_tests.vision.official import cls_token, random_state

NAME, REPOSITORY = "dinov2_vitb14_reg", "someone/tiny-dinov2"
COMMITS = ("a" * 40, "b" * 40)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders in the hub's format, of two commits with different weights."""
    from benchmarks.embedding import random_dinov2, save_network

    folders = []
    for seed, commit in enumerate(COMMITS):
        folder = tmp_path_factory.mktemp("hub") / commit
        save_network(random_dinov2(NAME, seed, small=True), folder / "model.safetensors")
        (folder / "config.json").write_text("{}")
        folders.append(folder)
    return folders


class Hub(ThreadingHTTPServer):
    """Enough of the hub's API for snapshots: revisions, trees, HEAD and GET with ranges of a commit's files."""

    def __init__(self, folders: list[Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folders = {folder.name: folder for folder in folders}
        self.branches = {"main": COMMITS[0]}
        self.cut_at: int | None = None
        self.requests: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *words: object) -> None:
        pass

    def _answer(self, body: bool) -> None:
        path = self.path.split("?")[0].strip("/")
        self.server.requests.append(f"{self.command} {path}")
        api = f"api/models/{REPOSITORY}"
        if path == api or path.startswith(f"{api}/revision/"):
            self._json(body, self._commit(path.removeprefix(api).removeprefix("/revision/") or "main"))
        elif path.startswith(f"{api}/tree/"):
            self._json(body, self._commit(path.removeprefix(f"{api}/tree/")), tree=True)
        elif path.startswith(f"{REPOSITORY}/resolve/"):
            revision, _, name = path.removeprefix(f"{REPOSITORY}/resolve/").partition("/")
            commit = self._commit(revision)
            file = self.server.folders[commit] / name if commit else None
            self._file(body, commit, file)
        else:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)

    def _commit(self, revision: str) -> str | None:
        return self.server.branches.get(revision, revision if revision in self.server.folders else None)

    def _json(self, body: bool, commit: str | None, tree: bool = False) -> None:
        if commit is None:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
            return
        names = sorted(self.server.folders[commit].iterdir())
        listed = [
            {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": f"{i:040x}"}
            for i, file in enumerate(names)
        ]
        info = {"id": REPOSITORY, "modelId": REPOSITORY, "sha": commit, "private": False, "tags": [], "downloads": 0}
        info["siblings"] = [{"rfilename": file.name} for file in names]
        self._send(200, json.dumps(listed if tree else info).encode(), {"Content-Type": "application/json"}, body)

    def _file(self, body: bool, commit: str | None, file: Path | None) -> None:
        if commit is None or file is None or not file.is_file():
            code = "EntryNotFound" if commit else "RevisionNotFound"
            self._send(404, b"", {"X-Error-Code": code}, body)
            return
        content = file.read_bytes()
        tag = {"ETag": f'"{commit[:20]}{file.name}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        wanted = self.headers.get("Range")
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), int(last or len(content) - 1)
            tag["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            self._send(206, content[start : end + 1], tag, body)
        else:
            self._send(200, content, tag, body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            cut = self.server.cut_at
            whole = cut is None or len(content) < cut
            self.wfile.write(content if whole else content[:cut])
            self.close_connection = not whole


@pytest.fixture
def hub(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub(files)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    yield server
    server.stop()


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path / "home" / "weights")


def vector(backbone) -> torch.Tensor:
    return backbone.embed(torch.ones(1, 3, 28, 42))


@pytest.mark.slow
def test_a_branch_of_the_hub_is_pinned_to_its_commit_and_loads_without_the_hub(
    hub: Hub, store: WeightStore, files: list[Path]
) -> None:
    record = store.fetch(NAME, REPOSITORY)
    assert (record.source, record.commit) == (REPOSITORY, COMMITS[0])
    hub.branches["main"] = COMMITS[1]  # its owner pushes other weights
    hub.stop()
    loaded = store.load(NAME)
    assert loaded.weights_hash == record.tensors
    assert torch.equal(vector(loaded), vector(load_backbone(NAME, files[0])))
    assert store.verify(NAME) == record


@pytest.mark.slow
def test_a_revision_is_taken_and_a_new_fetch_follows_the_branch(hub: Hub, store: WeightStore) -> None:
    pinned = store.fetch(NAME, f"{REPOSITORY}@{COMMITS[1]}")
    assert pinned.commit == COMMITS[1]
    first = store.fetch(NAME, REPOSITORY)
    hub.branches["main"] = COMMITS[1]
    second = store.fetch(NAME, REPOSITORY)
    assert (first.commit, second.commit) == COMMITS
    assert second.sha256 == pinned.sha256 != first.sha256
    assert store.record(NAME) == second


def test_a_cached_id_is_loaded_without_asking_the_hub(hub: Hub, store: WeightStore) -> None:
    first = load_backbone(NAME, REPOSITORY)
    hub.requests.clear()
    assert load_backbone(NAME, REPOSITORY).id == first.id
    assert hub.requests == []


@pytest.mark.parametrize(
    ("source", "reason"), [(f"{REPOSITORY}@v9", "RevisionNotFound"), ("nobody/nothing", "RepositoryNotFound")]
)
def test_a_revision_or_id_that_the_hub_does_not_have_is_named(
    hub: Hub, store: WeightStore, source: str, reason: str
) -> None:
    with pytest.raises(ModelError, match=f"weights {source}.*{reason}"):
        store.fetch(NAME, source)
    assert store.names() == []


def test_a_download_that_breaks_off_stores_nothing_and_can_be_repeated(
    hub: Hub, store: WeightStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    hub.cut_at = 10_000
    with pytest.raises(ModelError, match=f"weights {REPOSITORY}"):
        store.fetch(NAME, REPOSITORY)
    assert store.names() == []
    hub.cut_at = None
    assert store.fetch(NAME, REPOSITORY).commit == COMMITS[0]


@pytest.mark.slow
def test_folders_and_official_files_are_copied_as_they_came(
    files: list[Path], store: WeightStore, tmp_path: Path
) -> None:
    official = tmp_path / "official.pth"
    torch.save(random_state(1), official)
    for source, name in ((files[0], "model.safetensors"), (official, "official.pth")):
        record = store.fetch(NAME, str(source))
        stored = store.place / record.file
        assert (stored.name, record.commit) == (name, None)
        assert stored.read_bytes() == (source / name if source.is_dir() else source).read_bytes()
    official.unlink()
    image = torch.ones(1, 3, 28, 42)
    assert (store.load(NAME).embed(image) - cls_token(random_state(1), image)).abs().max() < 1e-5


def test_a_stored_file_that_is_truncated_changed_or_gone_is_refused(files: list[Path], store: WeightStore) -> None:
    stored = store.place / store.fetch(NAME, str(files[0])).file
    content = stored.read_bytes()
    changed = bytearray(content)
    changed[-5] ^= 1
    for damage, reason in ((content[:-100], "truncated or replaced"), (bytes(changed), "sha256 .* was fetched")):
        stored.write_bytes(damage)
        for act in (store.load, store.verify):
            with pytest.raises(ModelError, match=reason):
                act(NAME)
    stored.unlink()
    with pytest.raises(ModelError, match="missing; `badexp weights fetch"):
        store.load(NAME)
    (store.place / f"{NAME}.json").write_text("{")
    with pytest.raises(ModelError, match="damaged record"):
        store.load(NAME)


@pytest.mark.slow
def test_weights_of_another_network_leave_what_was_stored(
    files: list[Path], store: WeightStore, tmp_path: Path
) -> None:
    record = store.fetch(NAME, str(files[0]))
    with pytest.raises(ModelError, match=r"lite0.*\.pth: no tensor pos_embed; a DINOv2"):
        store.fetch(NAME, str(lite_weights()))
    (tmp_path / "model.safetensors").write_bytes((files[0] / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(ModelError, match="truncated"):
        store.fetch(NAME, str(tmp_path))
    with pytest.raises(InputError, match="'resnet' is not known"):
        store.fetch("resnet")
    assert store.verify(NAME) == record
    assert [path.name for path in store.place.rglob(".*")] == []


@pytest.mark.slow
def test_the_command_line_fetches_and_verifies_and_the_night_pass_uses_it(files: list[Path], tmp_path: Path) -> None:
    from badexp_assets.pixels.device_shares import load_pass_setup

    home = ["--home", str(tmp_path / "home")]
    run = CliRunner().invoke
    assert "no weights stored" in run(badexp, ["weights", "verify", *home]).output
    fetched = run(badexp, ["weights", "fetch", NAME, "--source", str(files[0]), *home], catch_exceptions=False)
    assert f"{NAME}-" in fetched.output
    run(badexp, ["weights", "fetch", "efficientnet_lite0", *home], catch_exceptions=False)
    lines = run(badexp, ["weights", "verify", *home], catch_exceptions=False).output.splitlines()
    assert [line[:25] for line in lines] == [f"ok      {NAME}", "ok      efficientnet_lite"]

    settings = load_settings(tmp_path / "home", backbone=NAME)
    assert fetched.output.startswith(load_pass_setup(settings).embedder.backbone_id)

    next((tmp_path / "home" / "weights" / NAME).rglob("model.safetensors")).write_bytes(b"short")
    failed = run(badexp, ["weights", "verify", *home])
    assert failed.output.splitlines()[0].startswith("FAILED")
    assert isinstance(failed.exception, InputError)
