"""Jobs with one mistake each, as people make them, and what preflight has to say of it."""

from typing import Any, NamedTuple

from tests.support.job_files import GONE


class Wrong(NamedTuple):
    """``words`` stand in the finding of ``rule``; ``also`` are rules that the same mistake breaks."""

    rule: str
    name: str
    changes: dict[str, Any]
    words: tuple[str, ...]
    of_the_job: dict[str, Any] = {}
    also: tuple[str, ...] = ()


POOL, MACHINE = "workerPoolSpecs.0", "workerPoolSpecs.0.machineSpec"
IMAGE, ARGS, ENV = (f"{POOL}.containerSpec.{part}" for part in ("imageUri", "args", "env"))
STUDY, PARAMETER = "studySpec", "studySpec.parameters.0"
OURS = "us-central1-docker.pkg.dev/my-project/trainer/train-cpu"
PACKAGE = {
    "executorImageUri": "us-docker.pkg.dev/vertex-ai/training/pytorch-xla.2-4.py310:latest",
    "packageUris": ["dist/trainer.tar.gz"], "pythonModule": "trainer.task", "args": ["--epochs=3"],
}  # fmt: skip
REGISTRAR = "model-registry@my-project.iam.gserviceaccount.com"
REGISTRY = ["--register", "--registry-root=gs://my-bucket/registry"]


def env(name: str, value: Any) -> list[dict[str, Any]]:
    return [{"name": name, "value": value}]


WRONG = [
    # form
    Wrong("unknown-key", "cpu", {"scheduling.timeOut": "3600s"}, ("scheduling.timeOut", "did you mean timeout?")),
    Wrong("unknown-key", "cpu", {"workerPoolSpec": []}, ("workerPoolSpec", "did you mean workerPoolSpecs?")),
    Wrong("unknown-key", "cpu", {f"{POOL}.containerSpec.image": "x"},
          ("containerSpec.image", "did you mean imageUri?")),
    Wrong("unknown-key", "cpu", {"name": "a"}, ("the key name", "known here", "serviceAccount")),
    Wrong("unknown-key", "cpu", {"timeout": "3600s"}, ("the key timeout", "it belongs to scheduling")),
    Wrong("unknown-key", "cpu", {f"{POOL}.imageUri": "x"}, ("imageUri", "it belongs to containerSpec")),
    Wrong("outside-key", "cpu", {"region": "us-central1"}, ("region", "--set region=us-central1")),
    Wrong("snake-case", "cpu", {"service_account": "a@my-project.iam.gserviceaccount.com"},
          ("serviceAccount", "camelCase")),
    Wrong("snake-case", "cpu", {f"{POOL}.disk_spec": {}}, ("workerPoolSpecs[0].disk_spec", "write diskSpec")),
    Wrong("outside-key", "cpu", {"displayName": "mine"}, ("displayName", "gcloud", "--set display-name=NAME")),
    Wrong("outside-key", "cpu", {"labels": {"a": "b"}}, ("labels", "--set labels.KEY=VALUE")),
    Wrong("outside-key", "cpu", {"jobSpec": {}}, ("jobSpec", "one level up")),
    Wrong("schema-type", "cpu", {ENV: env("THREADS", 4)}, ("env[0].value", "a text", "4 (int)", 'in quotes: "4"')),
    Wrong("schema-type", "cpu", {ENV: env("DEBUG", True)}, ("env[0].value", "True (bool)", "quotes")),
    Wrong("schema-type", "cpu", {ARGS: "--preset=fast"}, ("args", "a list", "dash")),
    Wrong("schema-type", "cpu", {f"{ARGS}.1": {"epochs": 3}}, ("args[1]", "a text", "a dict")),
    Wrong("schema-type", "cpu", {f"{POOL}.diskSpec": "large"}, ("diskSpec", "a mapping", "'large' (str)")),
    Wrong("schema-type", "cpu", {"serviceAccount": None}, ("serviceAccount", "an empty value")),
    Wrong("schema-type", "cpu", {"enableWebAccess": "yes"}, ("enableWebAccess", "true or false", "'yes' (str)")),
    Wrong("schema-type", "cpu", {f"{ARGS}.1": None}, ("args[1]", "an empty value", "take the line out")),
    Wrong("schema-type", "cpu", {"enableWebAccess": "true"}, ("enableWebAccess", "'true' (str)", "without quotes")),
    Wrong("schema-type", "tuning", {f"{PARAMETER}.doubleValueSpec.minValue": "1e-4"},
          ("minValue", "'1e-4' (str)", "write 0.0001", "YAML takes 1e-4 for a text")),
    Wrong("enum", "cpu", {"scheduling.strategy": "spot"}, ("scheduling.strategy", "spot", "did you mean SPOT?")),
    Wrong("enum", "cpu", {"scheduling.strategy": 5}, ("scheduling.strategy", "use one of", "FLEX_START")),
    Wrong(
        "enum", "gpu-t4-spot", {f"{MACHINE}.acceleratorType": "nvidia-tesla-t4"},
        ("did you mean NVIDIA_TESLA_T4?",), also=("accelerator-unknown",),
    ),
    Wrong("enum", "cpu", {"scheduling.strategy": "PREEMPTIBLE"}, ("use one of STANDARD, SPOT, FLEX_START",)),
    Wrong("enum", "cpu", {f"{MACHINE}.acceleratorType": "A10G"}, ("use one of NVIDIA_TESLA_T4",),
          also=("accelerator-unknown", "image-processor")),
    Wrong("duration", "cpu", {"scheduling.timeout": 3600}, ("scheduling.timeout", "3600 (int)", "write 3600s")),
    Wrong("duration", "cpu", {"scheduling.timeout": "1h"}, ("scheduling.timeout", "'1h'", "seconds with an s")),
    # names
    Wrong("placeholder", "cpu", {f"{ARGS}.1": "--data=gs://BUCKET/data"}, ("BUCKET", "--set bucket=NAME")),
    Wrong("project", "cpu", {}, ("My_Project", "6 to 30", "gcloud projects list"), {"project": "My_Project"}),
    Wrong("project", "cpu", {}, ("no number", "received 123456789012"), {"project": "123456789012"}),
    Wrong(
        "region", "cpu", {IMAGE: "us-docker.pkg.dev/my-project/trainer/train-cpu:1"},
        ("us-cental1", "did you mean us-central1?"), {"region": "us-cental1"},
    ),
    Wrong("region", "cpu", {}, ("us-central1-a", "did you mean us-central1?"), {"region": "us-central1-a"}),
    Wrong("region", "cpu", {}, ("received US", "us-central1"), {"region": "US"}),
    Wrong("display-name", "cpu", {}, ("1 to 128", "129 characters"), {"display_name": "x" * 129}),
    Wrong("label-key", "cpu", {}, ("stage:dev", "--set labels.stage=dev"), {"labels": {"stage:dev": ""}}),
    Wrong("label-key", "cpu", {}, ("goog-owner", "not with goog"), {"labels": {"goog-owner": "me"}}),
    Wrong("label-value", "cpu", {}, ("Vision.Team", "write vision-team"), {"labels": {"team": "Vision.Team"}}),
    Wrong("label-count", "cpu", {}, ("at most 64", "65"), {"labels": {f"l{number}": "" for number in range(65)}}),
    # machines
    Wrong("machine", "cpu", {f"{MACHINE}.machineType": "n1-standard-5"},
          ("n1-standard-5", "did you mean n1-standard-8?")),
    Wrong("machine", "cpu", {f"{MACHINE}.machineType": GONE}, ("machineType", "received nothing", "n1-standard-4")),
    Wrong("accelerator-retired", "gpu-t4-spot", {f"{MACHINE}.acceleratorType": "NVIDIA_TESLA_K80"},
          ("K80", "gone since")),
    Wrong(
        "accelerator-retired", "gpu-t4-spot", {f"{MACHINE}.acceleratorType": "NVIDIA_TESLA_P100"},
        ("P100", "2026-09-15"),
    ),
    Wrong("accelerator-unknown", "gpu-t4-spot", {f"{MACHINE}.acceleratorType": "TPU_V3"},
          ("TPU_V3", "NVIDIA_TESLA_T4")),
    Wrong(
        "accelerator-machine", "gpu-l4", {f"{MACHINE}.machineType": "n1-standard-8"},
        ("NVIDIA_L4", "NVIDIA_TESLA_T4", "g2-standard-4"),
    ),
    Wrong("accelerator-count", "gpu-l4", {f"{MACHINE}.acceleratorCount": 2},
          ("1 NVIDIA_L4 on g2-standard-8", "received 2")),
    Wrong("accelerator-count", "gpu-t4-spot", {f"{MACHINE}.acceleratorCount": 3}, ("1 or 2 or 4", "received 3")),
    Wrong("accelerator-half", "gpu-l4", {f"{MACHINE}.acceleratorCount": GONE}, ("acceleratorCount: 1",)),
    Wrong("accelerator-half", "gpu-t4-spot", {f"{MACHINE}.acceleratorType": GONE}, ("kind of the 1",)),
    Wrong(
        "accelerator-missing", "gpu-l4",
        {f"{MACHINE}.acceleratorType": GONE, f"{MACHINE}.acceleratorCount": GONE}, ("add acceleratorType: NVIDIA_L4",),
    ),
    Wrong(
        "accelerator-region", "gpu-l4", {IMAGE: "us-docker.pkg.dev/my-project/trainer/train-gpu:1"},
        ("NVIDIA_L4", "us-south1", "--set region=us-central1"), {"region": "us-south1"},
    ),
    # pools
    Wrong("pools", "cpu", {"workerPoolSpecs": []}, ("at least one pool", "jobs/cpu.yaml")),
    Wrong("primary", "cpu", {f"{POOL}.replicaCount": 0}, ("exactly 1", "received 0")),
    Wrong("primary", "cpu", {f"{POOL}.replicaCount": "²"}, ("exactly 1", "received ²"), also=("schema-type",)),
    Wrong("primary", "cpu", {f"{POOL}.replicaCount": GONE}, ("exactly 1", "received nothing")),
    Wrong(
        "primary", "multi-host", {f"{POOL}.replicaCount": 2}, ("workerPoolSpecs[0].replicaCount", "second pool"),
    ),
    Wrong("replicas", "multi-host", {"workerPoolSpecs.1.replicaCount": 0}, ("workerPoolSpecs[1]", "at least 1")),
    Wrong(
        "several-on-tensorflow", "multi-host",
        {f"{pool}.containerSpec.{part}": value for pool in (POOL, "workerPoolSpecs.1")
         for part, value in (("env", []), ("imageUri", OURS.replace("cpu", "gpu")))},
        ("keras#20585", "2 replicas with tensorflow", "multi-host.yaml"),
    ),
    Wrong(
        "several-on-tensorflow", "multi-host", {f"{ENV}.0.value": "tensorflow"}, ("keras#20585", "jax and tensorflow"),
        also=("pools-differ", "image-backend"),
    ),
    Wrong("pools-differ", "multi-host", {ARGS: ["--preset=quick", "--validation-only"]}, ("same image and arguments",)),
    Wrong("pools-differ", "multi-host", {"workerPoolSpecs.1.containerSpec.env.1": {"name": "XLA_FLAGS", "value": "-x"}},
          ("workerPoolSpecs[1]", "env", "use YAML anchors")),
    Wrong("pools-differ", "multi-host",
          {"workerPoolSpecs.1.machineSpec": {"machineType": "g2-standard-24", "acceleratorType": "NVIDIA_L4",
                                             "acceleratorCount": 2}},
          ("accelerators", "workerPoolSpecs[1]")),
    Wrong("replica-restart", "multi-host", {"scheduling.restartJobOnWorkerRestart": GONE}, ("true", "lost")),
    Wrong("disk", "cpu", {f"{POOL}.diskSpec.bootDiskSizeGb": 10}, ("100 to 64000 GB", "received 10")),
    Wrong("disk", "cpu", {f"{POOL}.diskSpec.bootDiskType": "ssd"}, ("pd-ssd or pd-standard", "received ssd")),
    # containers
    Wrong("container", "cpu", {f"{POOL}.containerSpec": GONE}, ("containerSpec", "received nothing")),
    Wrong(
        "container", "cpu",
        {f"{POOL}.pythonPackageSpec": {**PACKAGE, "packageUris": ["gs://my-bucket/trainer.tar.gz"]}},
        ("containerSpec and pythonPackageSpec",), also=("schema-type",),
    ),
    Wrong("package", "cpu", {f"{POOL}.containerSpec": GONE, f"{POOL}.pythonPackageSpec": PACKAGE},
          ("packageUris", "received dist/trainer.tar.gz")),
    Wrong("package", "cpu",
          {f"{POOL}.containerSpec": GONE, f"{POOL}.pythonPackageSpec": {**PACKAGE, "packageUris": []}},
          ("packageUris", "received nothing")),
    Wrong("command", "cpu", {f"{POOL}.containerSpec.command": ["--epochs=3"]}, ("entry point", "move flags to args")),
    Wrong("command", "cpu", {f"{POOL}.containerSpec.command": ["bash", "-c", "python -m trainer.task --epochs=3"]},
          ("-m and trainer.task as words of their own", "leave command out")),
    Wrong("command", "cpu", {f"{POOL}.containerSpec.command": ["python", "-m", "trainer.tasks"]}, ("trainer.tasks",)),
    Wrong("flags", "cpu", {f"{POOL}.containerSpec.command": ["python", "-m", "trainer.task", "--epochz=3"]},
          ("--epochz", "did you mean --epochs?")),
    Wrong("image-missing", "cpu", {IMAGE: GONE}, ("imageUri", "Cloud Build")),
    Wrong(
        "image-prebuilt", "cpu", {IMAGE: "us-docker.pkg.dev/vertex-ai/training/tf-cpu.2-17.py310:latest"},
        ("2.17", "2026-07-11"),
    ),
    Wrong("image-prebuilt", "cpu", {IMAGE: "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"},
          ("an image of our own", "received us-docker.pkg.dev/vertex-ai/prediction")),
    Wrong("image-retired", "cpu", {IMAGE: "gcr.io/my-project/trainer:1"}, ("Container Registry is shut down",)),
    Wrong("image-retired", "cpu", {IMAGE: "eu.gcr.io/my-project/trainer:1"}, ("Artifact Registry",)),
    Wrong("image-registry", "cpu", {IMAGE: "docker.io/library/python:3.11"}, ("Artifact Registry", "docker.io")),
    Wrong("image-form", "cpu", {IMAGE: f"https://{OURS}:latest"}, ("without https://",)),
    Wrong("image-form", "cpu", {IMAGE: f"{OURS}:a tag"}, ("us-central1-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE:TAG",)),
    Wrong("image-form", "cpu", {IMAGE: f"{OURS}:1 "}, (f"received '{OURS}:1 '",)),
    Wrong("image-region", "cpu", {IMAGE: OURS.replace("us-central1", "europe-west4") + ":1"},
          ("us-central1", "europe-west4")),
    Wrong("image-region", "cpu", {IMAGE: OURS.replace("us-central1", "europe") + ":1"},
          ("us-central1", "received europe")),
    Wrong("image-processor", "gpu-l4", {IMAGE: f"{OURS}:latest"}, ("NVIDIA_L4", "train-gpu", "received train-cpu")),
    Wrong("image-backend", "cpu", {ENV: env("KERAS_BACKEND", "jax")}, ("with JAX", "train-jax", "received train-cpu")),
    Wrong("image-backend", "gpu-l4", {f"{ARGS}.1": "--backend=jax"}, ("train-jax", "received train-gpu")),
    Wrong("image-backend", "gpu-l4",
          {IMAGE: OURS.replace("cpu", "jax"), f"{ARGS}.1": "--backend=tensorflow"},
          ("train-gpu", "received train-jax")),
    Wrong("env-name", "cpu", {ENV: env("MY-VARIABLE", "1")}, ("MY-VARIABLE", "rename it")),
    Wrong("env-reserved", "cpu", {ENV: env("AIP_MODEL_DIR", "gs://b/x")}, ("AIP_MODEL_DIR", "does not set itself")),
    Wrong("env-reserved", "cpu", {ENV: env("TF_CONFIG", "{}")}, ("TF_CONFIG", "take it out")),
    Wrong("env-value", "cpu", {ENV: [{"name": "A"}]}, ("no value", "take A out")),
    Wrong("env-twice", "cpu", {ENV: [*env("A", "1"), *env("A", "2")]}, ("A again",)),
    Wrong("flags", "cpu", {ENV: env("KERAS_BACKEND", "torch")}, ("KERAS_BACKEND", "tensorflow, jax", "received torch")),
    # the trainer's flags
    Wrong("flags", "cpu", {f"{ARGS}.1": "--epochz=3"}, ("containerSpec.args", "--epochz", "did you mean --epochs?")),
    Wrong("flags", "cpu", {f"{ARGS}.1": "--output-dir=gs://my-bucket/a//b"}, ("--output-dir", "gs://bucket/prefix")),
    Wrong("flags", "cpu", {f"{ARGS}.1": "--registry-name=My CNN"}, ("--registry-name", "received My CNN")),
    Wrong("flags", "cpu", {f"{ARGS}.1": "--epochs=0"}, ("an integer ≥ 1", "received 0")),
    Wrong("flags", "cpu", {f"{ARGS}.0": "--preset=slow"}, ("--preset", "quick", "received slow")),
    Wrong("flag-words", "cpu", {f"{ARGS}.1": "--epochs 3"}, ("one word to each line", "write --epochs=3")),
    Wrong("flag-words", "cpu", {f"{ARGS}.1": "--epochs = 3"}, ("write --epochs=3",)),
    Wrong("flag-words", "cpu", {ARGS: ["--preset=reference --epochs=10"]},
          ("one word to each line", "write --preset=reference and --epochs=10 on lines of their own")),
    Wrong("flag-words", "cpu", {ARGS: ["python", "-m", "trainer.task", "--epochs=3"]},
          ("flags alone", "the image starts trainer.task", "take python -m trainer.task out")),
    Wrong("flag-ends", "cpu", {f"{ARGS}.1": "--help"}, ("--help", "prints and ends")),
    Wrong("flag-ends", "cpu", {f"{ARGS}.1": "--print_settings"}, ("--print_settings", "prints and ends")),
    Wrong("flag-ends", "multi-host", {f"{ARGS}.1": "--help", "workerPoolSpecs.1.containerSpec.args.1": "--help"},
          ("--help", "prints and ends")),
    Wrong("flag-ends", "tuning", {"trialJobSpec.workerPoolSpecs.0.containerSpec.args.3": "-h"}, ("received -h",)),
    Wrong("flags", "multi-host", {f"{ARGS}.1": "--epochs=x", "workerPoolSpecs.1.containerSpec.args.1": "--epochs=x"},
          ("--epochs", "received x")),
    Wrong("flag-config", "cpu", {f"{ARGS}.1": "--config=run.yaml"}, ("--config", "not in the container")),
    Wrong("local-data", "cpu", {f"{ARGS}.1": "--data=/home/me/data"}, ("/home/me/data", "gs://bucket/prefix")),
    Wrong("local-data", "cpu", {ENV: env("FASHION_MNIST_DIR", "/home/me/data")},
          ("FASHION_MNIST_DIR", "below /gcs/bucket/", "received /home/me/data")),
    Wrong("local-file", "cpu", {f"{ARGS}.1": "--gates=gates.yaml"}, ("--gates", "/gcs/bucket/")),
    Wrong("local-output", "cpu", {f"{ARGS}.1": "--output-dir=artifacts/mine"}, ("--output-dir", "disk is gone")),
    Wrong("local-output", "cpu", {f"{ARGS}.1": "--tensorboard-dir=logs"}, ("--tensorboard-dir", "disk is gone")),
    Wrong("local-registry", "cpu",
          {ARGS: ["--register"], "serviceAccount": "model-registry@my-project.iam.gserviceaccount.com"},
          ("--registry-root", "gs://BUCKET/registry")),
    Wrong("register-account", "cpu", {ARGS: REGISTRY, "serviceAccount": GONE}, ("received nothing", "model-registry@")),
    Wrong("register-account", "cpu", {ARGS: REGISTRY}, ("received model-training@my-project", "may register")),
    Wrong("register-mirror", "cpu", {ARGS: [*REGISTRY, "--vertex-project=mine"], "serviceAccount": REGISTRAR},
          ("received --vertex-project=mine", "name the other too")),
    # running
    Wrong("output-missing", "cpu", {"baseOutputDirectory": GONE},
          ("AIP_MODEL_DIR", "resubmitted", "gs://BUCKET/jobs/cpu/RUN")),
    Wrong("output-form", "cpu", {"baseOutputDirectory.outputUriPrefix": "my-bucket/x"},
          ("gs://bucket/prefix", "my-bucket/x")),
    Wrong("output-form", "cpu", {"baseOutputDirectory.outputUriPrefix": "gs://"}, ("received gs://",)),
    Wrong("output-form", "cpu", {"baseOutputDirectory.outputUriPrefix": "gs://my-bucket//x"}, ("gs://my-bucket//x",)),
    Wrong("output-form", "cpu", {"baseOutputDirectory.outputUriPrefix": "gs://my-bucket/x//"}, ("gs://my-bucket/x//",)),
    Wrong("output-form", "cpu", {"baseOutputDirectory.outputUriPrefix": "gs://my-bucket/../x"}, ("without empty",)),
    Wrong("output-form", "cpu", {"baseOutputDirectory.outputUriPrefix": "s3://my-bucket/x"}, ("received s3://",)),
    Wrong("output-form", "cpu", {"baseOutputDirectory.outputUriPrefix": "gs://my-bucket/$(date +%s)"},
          ("$(date", "nothing is filled in")),
    Wrong("service-account-form", "cpu", {"serviceAccount": "me@example.com"},
          ("iam.gserviceaccount.com", "me@example.com")),
    Wrong("timeout-missing", "cpu", {"scheduling.timeout": GONE}, ("7 days", "--max-cost")),
    Wrong("timeout-range", "cpu", {"scheduling.timeout": "60s"}, ("120s", "received 60s")),
    Wrong("timeout-range", "cpu", {"scheduling.timeout": "864000s"}, ("7 days", "received 864000s")),
    Wrong("strategy", "cpu", {"scheduling.strategy": "ON_DEMAND"}, ("deprecated", "write STANDARD")),
    Wrong("strategy", "cpu", {"scheduling.strategy": "LOW_COST"}, ("deprecated", "write SPOT")),
    Wrong("spot-retries", "gpu-t4-spot", {"scheduling.disableRetries": True}, ("six times", "take it out")),
    Wrong("spot-checkpoints", "gpu-t4-spot", {f"{ARGS}.1": "--resume=never"}, ("--resume", "begin from nothing")),
    Wrong("spot-checkpoints", "gpu-t4-spot", {f"{ARGS}.1": "--checkpoint-dir=/work"}, ("--checkpoint-dir", "/work")),
    Wrong("flex-start", "cpu", {"scheduling.strategy": "FLEX_START"}, ("NVIDIA_L4", "received no GPU")),
    Wrong("flex-start", "gpu-t4-spot", {"scheduling.strategy": "FLEX_START"}, ("received NVIDIA_TESLA_T4",)),
    Wrong("max-wait", "cpu", {"scheduling.maxWaitDuration": "600s"}, ("FLEX_START", "received STANDARD")),
    Wrong("network", "cpu", {"network": "projects/my-project/global/networks/default"}, ("number, not its id",)),
    Wrong(
        "tensorboard", "cpu", {"tensorboard": "projects/my-project/locations/europe-west4/tensorboards/12"},
        ("locations/us-central1", "europe-west4"),
    ),
    Wrong(
        "tensorboard-account", "cpu",
        {"tensorboard": "projects/my-project/locations/us-central1/tensorboards/12", "serviceAccount": GONE},
        ("an account that may write",),
    ),
    Wrong("pool-role", "multi-host", {"workerPoolSpecs.2": {"replicaCount": 1}}, ("parameter servers", "pool 1"),
          also=("machine", "container")),
]  # fmt: skip
