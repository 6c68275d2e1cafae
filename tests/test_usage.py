import json
import os
import stat
import time

from hai_core import usage


def test_a_short_block_has_one_line_and_a_long_one_more(tmp_path):
    file = tmp_path / "system.jsonl"
    with usage.recorded(file):
        pass
    assert len(usage.read(file)) == 1
    with usage.recorded(file, every=0.05):
        time.sleep(0.5)
    lines = usage.read(file)
    assert len(lines) > 4
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    assert 0 < lines[0]["system_memory_usage_percentage"] < 100


def test_work_shows(tmp_path):
    with usage.recorded(tmp_path / "busy", every=0.4):
        ended = time.monotonic() + 0.9
        while time.monotonic() < ended:
            pass
    assert max(line["cpu_utilization_percentage"] for line in usage.read(tmp_path / "busy")) > 100 / os.cpu_count() / 2


def test_a_line_that_was_cut_short_is_left_out(tmp_path):
    (tmp_path / "cut").write_text(json.dumps({"time": 1.0}) + "\n" + '{"time": 2.0, "cpu_uti')
    assert usage.read(tmp_path / "cut") == [{"time": 1.0}]
    assert usage.read(tmp_path / "none") == []


def test_what_nvidia_smi_tells_has_mlflows_names_and_units(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '87, 40536, 312.5'\necho '3, 512, [N/A]'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with usage.recorded(tmp_path / "gpu"):
        pass
    [line] = usage.read(tmp_path / "gpu")
    assert {name: value for name, value in line.items() if name.startswith("gpu")} == {
        "gpu_0_utilization_percentage": 87.0, "gpu_0_memory_usage_megabytes": round(40536 * 2**20 / 1e6, 1),
        "gpu_0_power_usage_watts": 312.5, "gpu_1_utilization_percentage": 3.0, "gpu_1_memory_usage_megabytes": 536.9}
