import hashlib

from medfusion import _rust


def test_hashes_are_sha256_of_the_content(tmp_path, rng):
    sizes = [0, 1, 55, 56, 63, 64, 65, 1000, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3_000_000]
    paths = []
    for size in sizes:
        paths.append(tmp_path / str(size))
        paths[-1].write_bytes(rng.bytes(size))
    expected = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    for threads in (0, 1, 2):
        assert _rust.hash_files(paths, threads) == expected
    assert _rust.hash_files([]) == []


def test_files_that_cannot_be_read_have_no_hash(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    found = _rust.hash_files([str(tmp_path / "none"), tmp_path / "a", str(tmp_path)])
    assert found == [None, hashlib.sha256(b"abc").hexdigest(), None]
