"""A model's archive comes from elsewhere: nothing in it may write outside its folder, or cost more than it is worth."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest

from jobmajor.errors import ArtifactError
from jobmajor.model import classifier
from jobmajor.registry import artifact
from sagelocal.storage import archive, manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Member = tuple[tarfile.TarInfo, bytes]

NAMES = ("manifest.json", "answers.json", "answers.safetensors", "model.json", "model.safetensors")


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Member:
    header = tarfile.TarInfo(name)
    header.type, header.linkname, header.size = kind, link, len(data)
    return header, data


def packed(folder: Path, *members: Member) -> Path:
    path = folder / "model.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=0) as opened:  # arrays of floats hardly get smaller
        for header, data in members:
            opened.addfile(header, io.BytesIO(data))
    return path


def raw(folder: Path, *blocks: bytes) -> Path:
    """A compressed archive of blocks that `tarfile` itself would not write."""
    path = folder / "model.tar.gz"
    path.write_bytes(gzip.compress(b"".join(blocks) + bytes(1024)))
    return path


def header(name: str, size_field: bytes, kind: bytes) -> bytes:
    """A header with any size in it, its checksum right."""
    block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    block[124:136], block[156:157] = size_field, kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def refusal(path: Path) -> str:
    """Why it is refused; nothing may have been written but into the folder for it, and no link."""
    target = path.parent / "unpacked"
    target.mkdir(exist_ok=True)
    before = sorted(path.parent.iterdir())
    with pytest.raises(ArtifactError) as caught:
        artifact.unpack(path, target)
    assert "\n" not in str(caught.value)
    assert sorted(path.parent.iterdir()) == before
    assert all(found.is_file() and not found.is_symlink() and found.name in NAMES for found in target.rglob("*"))
    return str(caught.value)


def whole(model_folder: Path) -> Sequence[Member]:
    return [member(name, (model_folder / name).read_bytes()) for name in NAMES]


@pytest.fixture(scope="module")
def model_archive(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a whole model's archive."""
    path = tmp_path_factory.mktemp("archive") / "model.tar.gz"
    archive.pack(model_folder, path)
    return path.read_bytes()


@pytest.mark.slow
def test_packed_model_is_unpacked_as_it_was(model_folder: Path, tmp_path: Path) -> None:
    archive.pack(model_folder, tmp_path / "model.tar.gz")
    (tmp_path / "unpacked").mkdir()

    found = artifact.unpack(tmp_path / "model.tar.gz", tmp_path / "unpacked")

    assert found.digest == manifest.read(model_folder).digest
    assert manifest.hash_folder(tmp_path / "unpacked") == manifest.hash_folder(model_folder)
    assert classifier.load(tmp_path / "unpacked").predict(["Cashier"]).tolist() == ["41-0000"]


def test_modes_and_owners_of_the_archive_do_not_count(model_folder: Path, tmp_path: Path) -> None:
    members = whole(model_folder)
    for info, _ in members:
        info.mode, info.uid, info.mtime = 0o6777, 1234, 9
    (tmp_path / "unpacked").mkdir()

    artifact.unpack(packed(tmp_path, *members), tmp_path / "unpacked")

    assert {(tmp_path / "unpacked" / name).stat().st_mode & 0o7777 for name in NAMES} == {0o644}


@pytest.mark.parametrize(
    "name",
    [
        "../evil.json",
        "/tmp/model.json",  # noqa: S108 - a name in an archive, never written
        "./model.json",
        "model.json/../model.json",
        "sub/model.json",
        "model.py",
        "MODEL.JSON",
        "model.json ",
        "..",
        "",
        "line\nbreak",
        "x" * 300,
    ],
)
def test_any_name_but_a_models_own_is_refused(model_folder: Path, tmp_path: Path, name: str) -> None:
    assert "expected the regular files" in refusal(packed(tmp_path, *whole(model_folder), member(name, b"{}")))


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.DIRTYPE,
        tarfile.FIFOTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
    ],
)
def test_links_folders_pipes_and_devices_are_refused(model_folder: Path, tmp_path: Path, kind: bytes) -> None:
    others = whole(model_folder)[::2]

    said = refusal(packed(tmp_path, *others, member("model.json", kind=kind, link="../../outside")))

    assert "'model.json': expected the regular files" in said


def test_file_after_a_link_of_its_name_is_not_written_through_it(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    link = member("model.json", kind=tarfile.SYMTYPE, link=str(tmp_path / "outside"))

    refusal(packed(tmp_path, link, *whole(model_folder)))

    assert (tmp_path / "outside").read_text() == "mine"


def test_same_file_twice_is_refused(model_folder: Path, tmp_path: Path) -> None:
    members = whole(model_folder)

    assert "once each" in refusal(packed(tmp_path, *members, members[1]))


def test_missing_file_is_refused(model_folder: Path, tmp_path: Path) -> None:
    assert "model.safetensors is recorded but missing" in refusal(packed(tmp_path, *whole(model_folder)[:-1]))


def test_file_with_other_content_than_recorded_is_refused(model_folder: Path, tmp_path: Path) -> None:
    members = [*whole(model_folder)[:-1], member("model.safetensors", b"other")]

    assert "has sha256" in refusal(packed(tmp_path, *members))


def test_file_beyond_its_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    said = refusal(packed(tmp_path, member("model.json", bytes(2**20 + 1))))

    assert "model.json has 1,048,577 bytes: expected at most 1,048,576" in said
    assert not (tmp_path / "unpacked" / "model.json").exists()


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
@pytest.mark.parametrize("size", [b"00100000000\0", b"77777777777\0", b"\x80" + bytes(3) + b"\xff" * 8])
def test_header_that_claims_a_bomb_is_refused_before_it_is_read(tmp_path: Path, kind: bytes, size: bytes) -> None:
    assert "claims" in refusal(raw(tmp_path, header("x", size, kind), bytes(512)))


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.DIRTYPE])
def test_negative_size_is_refused(tmp_path: Path, kind: bytes) -> None:
    # Steps back in the archive for ever in Python before 3.11.14 (CVE-2025-8194).
    assert "claims -512 bytes" in refusal(raw(tmp_path, header("model.json", b"\xff" * 10 + b"\xfe\x00", kind)))


def test_chain_of_attribute_records_is_refused(tmp_path: Path) -> None:
    record = header("x", b"00000000012\0", tarfile.XHDTYPE) + b"10 a=bcde\n".ljust(512, b"\0")

    refusal(raw(tmp_path, record * 5000))


def test_manifest_nested_too_deeply_is_refused(model_folder: Path, tmp_path: Path) -> None:
    members = [member("manifest.json", b"[" * 500_000), *whole(model_folder)[1:]]

    assert "is no manifest" in refusal(packed(tmp_path, *members))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"\x1f\x8b",
        gzip.compress(b""),
        gzip.compress(b"x" * 2000),
        gzip.compress(bytes(2048)),
        b"x" * 999,
    ],
    ids=["empty", "zip", "mark alone", "of nothing", "of no tar", "of an empty tar", "text"],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.tar.gz").write_bytes(content)

    refusal(tmp_path / "model.tar.gz")


def test_missing_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is no model archive"):
        artifact.unpack(tmp_path / "model.tar.gz", tmp_path)


@pytest.mark.parametrize("part", [0.01, 0.3, 0.6, 0.9, 0.99])
def test_truncated_archive_is_refused(model_archive: bytes, tmp_path: Path, part: float) -> None:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(model_archive[: int(part * len(model_archive))])

    refusal(path)


@pytest.mark.parametrize("readable", [0, 100_000, 500_000])
def test_damaged_compression_is_refused(tmp_path: Path, readable: int) -> None:
    packer = zlib.compressobj(wbits=-15)
    sound = packer.compress(header("model.json", b"%011o\0" % 2**20, tarfile.REGTYPE) + bytes(readable))
    stream = sound + packer.flush(zlib.Z_FULL_FLUSH) + b"\x07"  # a block of the third type, which there isn't
    (tmp_path / "model.tar.gz").write_bytes(gzip.compress(b"")[:10] + stream)

    assert "is no model archive" in refusal(tmp_path / "model.tar.gz")


# `long`: each flip unpacks a whole model. The sample has two places of each member's header.
@pytest.mark.slow
@pytest.mark.parametrize("every", [307, pytest.param(73, marks=pytest.mark.long)])
def test_bit_that_flips_on_the_way_is_refused_or_has_no_effect(
    model_folder: Path, model_archive: bytes, tmp_path: Path, every: int
) -> None:
    known = manifest.read(model_folder).digest
    tar = gzip.decompress(model_archive)
    headers = [place for place in range(0, len(tar), 512) if tar[place + 257 : place + 262] == b"ustar"]
    places = [start + within for start in headers for within in range(0, 512, every)]
    refused = 0

    for place in places:
        target = tmp_path / f"{place}"
        target.mkdir()
        damaged = tar[:place] + bytes([tar[place] ^ 0x11]) + tar[place + 1 :]
        (tmp_path / "model.tar.gz").write_bytes(gzip.compress(damaged, 0))
        try:
            assert artifact.unpack(tmp_path / "model.tar.gz", target).digest == known
        except ArtifactError:
            refused += 1

    assert len(headers) == len(NAMES)
    assert refused > len(places) // 4


def test_small_archive_that_would_fill_a_disk_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=9) as opened:
        for info, data in (member("tokenizer.json", bytes(2**26)), member("context.safetensors", bytes(2**26))):
            opened.addfile(info, io.BytesIO(data))
    tracemalloc.start()
    why = refusal(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "100-fold" in why
    assert [*(tmp_path / "unpacked").iterdir()] == []
    assert peak_bytes < 2**23


def test_large_file_of_an_archive_is_copied_in_pieces(tmp_path: Path) -> None:
    size = 2**25
    path = packed(tmp_path, member("model.safetensors", bytes(size)))
    tracemalloc.start()
    refusal(path)  # it has no manifest
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (tmp_path / "unpacked" / "model.safetensors").stat().st_size == size
    assert peak_bytes < 2**23
