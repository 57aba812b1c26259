"""The command with programs of a line or two in the trainer's place, so that an ending costs a moment."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.jobs import PROJECT, environment
from tests.support.local_jobs import local_job, write_job
from tests.support.waiting import wait_until

#: What programs begin with whose replicas wait for each other, whatever the load: by files of this folder.
MEETING = (
    "import os, pathlib, time\n"
    "from tests.support.waiting import wait_until\n"
    "meeting = pathlib.Path(os.environ['MEETING'])\n"
    "primary = '\"type\": \"chief\"' in os.environ['TF_CONFIG']\n"
    "print('start', flush=True)\n"
)
SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"


def states(output: str) -> list[str]:
    return re.findall(r"^local_job: (JOB_STATE_\w+) – .+$", output, flags=re.MULTILINE)


def test_the_program_gets_arguments_and_environment_and_no_leftovers(tmp_path):
    done = local_job(
        write_job(tmp_path, SHOW), work=tmp_path, trainer_flags=["--three"], AIP_MODEL_DIR="/mine", TF_CONFIG="{}"
    )
    assert done.returncode == 0, done.stdout
    line = next(line for line in done.stdout.splitlines() if line.startswith("workerpool0-0 | ["))
    arguments, environment = json.loads(line.partition(" | ")[2])
    assert arguments == ["--one", "--two=2", "--three"]
    assert "CLUSTER_SPEC" in environment
    assert not {"AIP_MODEL_DIR", "TF_CONFIG"} & environment.keys()
    assert done.stdout.splitlines()[-1] == (
        "local_job: JOB_STATE_SUCCEEDED – The primary replica workerpool0-0 exited with 0"
    )


ENDINGS = [
    # program, workers, exit status, starts of the primary
    ("import sys; print('start'); sys.exit(3)", 0, 3, 1),
    ("import sys; print('start'); sys.exit(6)", 0, 6, 4),
    ("import os; print('start', flush=True); os.abort()", 0, 134, 4),
    # The worker dies while the primary, which has started, would wait for ever.
    (MEETING + "if primary: (meeting / 'primary').touch(); time.sleep(600)\n"
     "wait_until((meeting / 'primary').exists); raise SystemExit(5)", 1, 5, 1),
    # The primary is done while the workers would wait for ever.
    ("import os, time; print('start', flush=True); time.sleep(600 if 'worker\"' in os.environ['TF_CONFIG'][-40:] "
     "else 0)", 2, 0, 1),
]  # fmt: skip


@pytest.mark.parametrize(("program", "workers", "status", "starts"), ENDINGS)
def test_the_rules_hold_for_real_processes(tmp_path, program, workers, status, starts):
    done = local_job(
        write_job(tmp_path, program, workers=workers), "--grace", "1", work=tmp_path, MEETING=str(tmp_path)
    )
    assert done.returncode == status, done.stdout
    assert states(done.stdout) == ["JOB_STATE_FAILED" if status else "JOB_STATE_SUCCEEDED"]
    assert done.stdout.count("workerpool0-0 | start") == starts


STUBBORN = (
    "import signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: print('notice', flush=True))\n"
    "print('start', flush=True)\n"
    "time.sleep(600)\n"
)


@pytest.mark.parametrize(("flags", "notices"), [(["--grace", "0.7s"], 7), (["--no-notice"], 0)])
def test_a_preempted_machine_gets_notice_then_sigkill_and_six_restarts(tmp_path, flags, notices):
    moments = ["--preempt-after", "start"] * 7
    done = local_job(write_job(tmp_path, STUBBORN), *moments, *flags, work=tmp_path)
    assert done.returncode == 137, done.stdout
    assert states(done.stdout) == ["JOB_STATE_FAILED"]
    assert done.stdout.splitlines()[-1].endswith("was preempted after 6 restarts")
    assert done.stdout.count("| start") == 7
    assert done.stdout.count("| notice") == notices


def test_a_machine_is_taken_away_after_texts_and_after_times(tmp_path):
    moments = ["--preempt-after", "start"] * 3 + ["--preempt-after", "0.3s"] * 4
    done = local_job(write_job(tmp_path, STUBBORN), *moments, "--no-notice", work=tmp_path)
    assert done.returncode == 137, done.stdout
    assert done.stdout.splitlines()[-1].endswith("was preempted after 6 restarts")
    assert done.stdout.count("local_job | preempted workerpool0-0") == 7
    assert "local_job | restart 6 of at most 6" in done.stdout.splitlines()
    assert done.stdout.count("| start") >= 3  # A time may come before the program has.


#: The worker's machine is taken away once both have started; the primary ends once all have that are to start again.
TOGETHER = MEETING + (
    "starts = meeting / ('primary' if primary else 'worker')\n"
    "with starts.open('a') as file: file.write('.')\n"
    "def started(name, times): return (meeting / name).exists() and (meeting / name).stat().st_size >= times\n"
    "if not primary:\n"
    "    wait_until(lambda: started('primary', 1))\n"
    "    print('working', flush=True); time.sleep(600)\n"
    "wait_until(lambda: started('worker', 2) and started('primary', int(os.environ['PRIMARY_STARTS'])))\n"
)


@pytest.mark.parametrize(("together", "starts"), [(True, 2), (False, 1)])
def test_others_start_again_too_only_where_the_job_says_so(tmp_path, together, starts):
    path = write_job(tmp_path, TOGETHER, workers=1, scheduling={"restartJobOnWorkerRestart": together})
    meeting = {"MEETING": str(tmp_path), "PRIMARY_STARTS": str(starts)}
    done = local_job(path, "--preempt-after", "working", "--grace", "1", work=tmp_path, **meeting)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("workerpool0-0 | start") == starts
    assert done.stdout.count("workerpool1-0 | start") == 2


#: The primary waits until nothing is left of the worker's process, and at its second start for nothing.
PRIMARY_LAST = MEETING + (
    "number = meeting / 'number'\n"
    "if not primary:\n"
    "    number.with_suffix('.new').write_text(str(os.getpid()))\n"
    "    number.with_suffix('.new').rename(number)\n"
    "elif not (meeting / 'late').exists():\n"
    "    wait_until(number.exists)\n"
    "    wait_until(lambda: not pathlib.Path('/proc', number.read_text()).exists())\n"
    "    (meeting / 'late').touch(); print('late', flush=True); time.sleep(30)\n"
)


def test_a_replica_that_has_ended_has_no_machine_to_take_away(tmp_path):
    path = write_job(tmp_path, PRIMARY_LAST, workers=1)
    done = local_job(path, "--preempt-after", "late", work=tmp_path, MEETING=str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert done.stdout.index("workerpool1-0 | exited with 0") < done.stdout.index("local_job | preempted workerpool0-0")
    assert done.stdout.count("workerpool0-0 | start") == 2
    assert done.stdout.count("workerpool1-0 | start") == 1


BUCKET = (
    "import os\n"
    "from google.cloud import storage\n"
    "blob = storage.Client(project='p').bucket('b').blob('run/count')\n"
    "number = int(blob.download_as_text()) + 1 if blob.exists() else 1\n"
    "blob.upload_from_string(str(number))\n"
    "print('run', number, os.environ['AIP_MODEL_DIR'])\n"
)


def test_a_bucket_is_a_folder_that_the_next_start_finds(tmp_path):
    path = write_job(tmp_path, BUCKET, baseOutputDirectory={"outputUriPrefix": "gs://b/run"})
    for number in (1, 2):
        done = local_job(path, work=tmp_path / "work")
        assert done.returncode == 0, done.stdout
        assert f"workerpool0-0 | run {number} gs://b/run/model/" in done.stdout
    assert (tmp_path / "work" / "gs" / "b" / "run" / "count").read_text() == "2"


ASK = (
    "import os, google.auth\n"
    "try:\n"
    "    print('signed in', google.auth.default()[0].refresh_token)\n"
    "except google.auth.exceptions.DefaultCredentialsError:\n"
    "    print('nobody', os.environ['STORAGE_EMULATOR_HOST'], os.environ.get('CLOUDSDK_AUTH_ACCESS_TOKEN'))\n"
)


def test_a_job_has_neither_the_users_credentials_nor_real_buckets(tmp_path):
    key = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "the user's"}
    config = tmp_path / ".config" / "gcloud"
    config.mkdir(parents=True)
    (config / "application_default_credentials.json").write_text(json.dumps(key))
    given = {"HOME": str(tmp_path), "CLOUDSDK_AUTH_ACCESS_TOKEN": "the user's"}
    done = local_job(write_job(tmp_path, ASK), work=tmp_path / "work", **given)
    assert re.search(r"workerpool0-0 \| nobody http://127.0.0.1:\d+ None$", done.stdout, re.MULTILINE), done.stdout


def test_a_preemption_that_never_came_is_told(tmp_path):
    path = write_job(tmp_path, "print('epoch 1/1')")
    done = local_job(path, "--preempt-after", "epoch 7/", "--preempt-after", "600s", work=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "local_job | never came: --preempt-after 'epoch 7/', --preempt-after 600s" in done.stdout.splitlines()


def test_a_count_may_be_a_text_as_protocol_buffers_have_it(tmp_path):
    path = write_job(tmp_path, "print('hello')", workers=1)
    document = json.loads(Path(path).read_text())
    document["workerPoolSpecs"][0]["replicaCount"] = "1"
    document["workerPoolSpecs"][1] |= {"replicaCount": "2"}
    document["workerPoolSpecs"][1]["containerSpec"]["command"][2] += "; import time; time.sleep(600)"
    Path(path).write_text(json.dumps(document))
    done = local_job(path, "--grace", "1", work=tmp_path)
    assert done.returncode == 0, done.stdout


def test_a_program_that_is_not_there_fails_the_job_as_it_would_there(tmp_path):
    path = write_job(tmp_path, "")
    done = local_job(path, "--set", "workerPoolSpecs.0.containerSpec.command=[no-such-program, -c]", work=tmp_path)
    assert done.returncode == 2, done.stdout
    last = done.stdout.splitlines()[-1]
    assert "no-such-program – expected a program of this machine" in last
    assert "containerSpec.command" in last


TRIAL = {"studySpec": {}, "maxTrialCount": 1, "parallelTrialCount": 1}


def test_what_another_job_reported_is_not_this_trials(tmp_path):
    job, work = write_job(tmp_path, "raise SystemExit(2)"), tmp_path / "work"
    Path(job).write_text(json.dumps({**TRIAL, "trialJobSpec": json.loads(Path(job).read_text())}))
    first = local_job(job, work=work)
    assert "the trial's last report" not in first.stdout
    [reports] = (work / "hypertune").glob("*/*")
    (reports / "output.metrics").write_text('{"trial": "other"}\n')
    done = local_job(job, work=work)
    assert done.returncode == 2
    assert "the trial's last report" not in done.stdout


def test_interrupted_twice_it_leaves_no_replica_at_work(tmp_path):
    program = (
        "import os, pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        "print('begun', flush=True)\n"
        "time.sleep(300)\n"
    )
    words = [sys.executable, "-P", "-m", "trainer.local_job", write_job(tmp_path, program), "--processes"]
    words += ["--work-dir", str(tmp_path / "work")]
    env = environment(PYTHONPATH=str(PROJECT))
    with subprocess.Popen(words, cwd=PROJECT, env=env, stdout=subprocess.PIPE, text=True) as process:
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
        process.send_signal(signal.SIGINT)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 9
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
