from streams.blobs import Blobs


def test_blobs_of_tenants_can_not_leave_the_folder(tmp_path):
    blobs = Blobs(tmp_path / "blobs")
    digest = blobs.put("../../etc", b"x")
    assert blobs.get("../../etc", digest) == b"x"
    assert all((tmp_path / "blobs") in path.parents for path in tmp_path.rglob(digest))


def test_a_hash_that_is_none_finds_nothing(tmp_path):
    (tmp_path / "secret").write_text("x")
    assert Blobs(tmp_path / "blobs").get("default", "../../secret") is None
