"""The diagnosis of an installation: of this one, and of some that lack something."""

from importlib import metadata

import pytest

from placezoo.experiments import doctor


def findings():
    return {finding.what: finding for finding in doctor.diagnose()}


def test_this_installation_is_well(run, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    code, text, errors = run("doctor")
    assert (code, errors) == (0, "")
    lines = text.splitlines()
    assert lines[0].startswith("ok  placezoo: ")
    assert "OMP_NUM_THREADS=1" in lines[1]
    for extra in ("agents", "rllib", "track", "solvers", "trace", "tables"):
        assert any(line[4:].startswith(f"extra {extra}: ") for line in lines)
    assert not any("extra all" in line or "extra dev" in line for line in lines)
    assert "cut " in lines[-1]
    assert not any(line.startswith("!!") for line in lines)


@pytest.fixture
def versions(monkeypatch):
    """Return a dict of packages whose installed version is another one, None for none."""
    changed = {}
    real = metadata.version

    def version(name):
        if changed.get(name, "") is None:
            raise metadata.PackageNotFoundError(name)
        return changed.get(name) or real(name)

    monkeypatch.setattr(metadata, "version", version)
    return changed


def test_what_is_missing_comes_with_the_command_that_adds_it(versions, run):
    versions.update({"ortools": None, "torch": "1.0.0"})
    found = findings()
    assert found["extra solvers"].state == doctor.MISSING
    assert found["extra solvers"].detail == "ortools is not installed"
    assert found["extra solvers"].remedy == "pip install 'placezoo[solvers]'"
    assert "torch 1.0.0 is too old, >=2.6 is needed" in found["extra agents"].detail
    code, text, _ = run("doctor")
    assert code == 0
    assert "--  extra solvers: ortools is not installed  (pip install 'placezoo[solvers]')" in text.splitlines()


def test_without_a_package_of_the_core_it_is_broken(versions, run):
    versions["networkx"] = None
    code, text, errors = run("doctor")
    assert (code, errors) == (1, "placezoo: broken: packages\n")
    assert "!!  packages: networkx is not installed  (pip install 'placezoo')" in text.splitlines()


def test_folders_that_are_not_there_or_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PLACEZOO_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr(doctor, "cache_folder", lambda: tmp_path / "file" / "below")
    found = findings()
    assert found["PLACEZOO_DATA"].state == doctor.MISSING
    assert found["PLACEZOO_DATA"].detail.endswith("nowhere: no such folder")
    assert found["cache"].state == doctor.MISSING
    assert found["cache"].detail.endswith("below: not a directory")


def test_a_search_that_fails_is_told_and_not_raised(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("numba\ncannot")

    monkeypatch.setattr(doctor, "make_problem", fail)
    assert findings()["a small search"] == ("a small search", doctor.BROKEN, "RuntimeError: numba cannot", "")
