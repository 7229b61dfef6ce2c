"""Jobs work where they were asked for, whichever processes take them."""

import os
from pathlib import Path

from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

from srnet.runs.parallel import here


def folders() -> list[str]:
    return Parallel(n_jobs=2)(delayed(here(os.getcwd))() for _ in range(4))


def test_processes_of_earlier_jobs_work_in_the_folder_of_now(tmp_path, monkeypatch):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert set(folders()) == {str(Path.cwd())}
    get_reusable_executor().shutdown()  # loky takes what larger jobs load for a leak of memory
