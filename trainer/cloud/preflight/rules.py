"""Every rule of preflight in one sentence. docs/jobs.md shows this table; a test holds both together."""

#: What can be known from the file alone.
FROM_THE_FILE = {
    # form
    "unknown-key": "every key is a field of Vertex AI's job; a near miss is named",
    "snake-case": "keys are in camelCase, which gcloud insists on",
    "outside-key": "displayName, labels and jobSpec do not stand in the file: gcloud forwards them silently",
    "schema-type": "every value has its field's type; numbers and truth values of `env` are quoted",
    "enum": "names of strategies, accelerators and goals are Vertex AI's own",
    "duration": "durations are seconds with an s, as text",
    # names
    "placeholder": "PROJECT, REGION, BUCKET and RUN are filled in",
    "project": "the project is an id",
    "region": "the region has custom training",
    "display-name": "the display name has 1 to 128 characters",
    "label-key": "label keys match Google's pattern and are not reserved",
    "label-value": "label values match Google's pattern",
    "label-count": "there are at most 64 labels",
    # machines
    "machine": "the machine type is one that custom training has",
    "accelerator-retired": "no K80, no P100: they are gone",
    "accelerator-unknown": "the accelerator is one that this project knows, no TPU",
    "accelerator-machine": "the accelerator goes with the machine",
    "accelerator-count": "so many of it go with the machine",
    "accelerator-half": "kind and count of accelerators are both given, or neither",
    "accelerator-missing": "a machine that comes with accelerators names them",
    "accelerator-region": "the region has the accelerator",
    # pools
    "pools": "there is a worker pool",
    "primary": "the first pool has exactly one replica",
    "replicas": "the second pool has at least one",
    "pool-role": "there is no third pool: parameter servers and evaluators have nothing to do here",
    "several-on-tensorflow": "several replicas run on JAX: on TensorFlow each would train alone (keras#20585)",
    "pools-differ": "all replicas run the same image with the same arguments, on the same accelerators",
    "replica-restart": "a lost replica restarts the whole job",
    "disk": "the boot disk is pd-ssd or pd-standard, 100 to 64000 GB",
    # containers
    "container": "a pool has a containerSpec or a pythonPackageSpec, not both",
    "command": "command, which replaces the entry point, still runs python -m trainer.task, without a shell",
    "image-missing": "there is an image",
    "image-prebuilt": "it is not one of Google's own: those for training TensorFlow are gone",
    "image-retired": "it does not lie in Container Registry (gcr.io), which is shut down",
    "image-registry": "it lies in Artifact Registry",
    "image-form": "its name is well formed",
    "image-region": "it lies in the job's region, or in the multi-region around it",
    "image-processor": "no image without CUDA on a machine with a GPU",
    "image-backend": "JAX runs in the image that has it, and TensorFlow on a GPU in the one whose TensorFlow can",
    "env-name": "names of variables are names",
    "env-reserved": "no variable of ours begins with AIP_ or is one that Vertex AI sets",
    "env-twice": "each variable is given once",
    "env-value": "each variable has a value",
    # the trainer's flags
    "flags": "the trainer's own settings take arguments and environment, with what Vertex AI would set",
    "flag-words": "each argument is one word, and none of them starts the trainer",
    "flag-ends": "no --help, --version or --print-settings, after which nothing is trained",
    "flag-config": "no --config: the file is not in the container",
    "local-data": "the data are not on this machine",
    "local-file": "keys and gates are files that the replica can see",
    "local-output": "model, checkpoints and event files do not go to the replica's own disk",
    "local-registry": "nor does the registry",
    "register-account": "a job that registers has a service account that may, model-registry",
    "register-mirror": "with Vertex AI's registry to follow ours, both its project and its region are named",
    # running
    "output-missing": "baseOutputDirectory is there, so that a resubmitted job finds its checkpoints",
    "output-form": "it is gs://bucket/prefix, without empty parts or ..",
    "service-account-form": "the service account is the address of one",
    "timeout-missing": "there is a timeout: Vertex AI's own is 7 days",
    "timeout-range": "it is 2 minutes to 7 days",
    "strategy": "no ON_DEMAND or LOW_COST, which are deprecated",
    "spot-retries": "a spot job may be started again",
    "spot-checkpoints": "a spot job keeps its checkpoints in a bucket and resumes from them",
    "max-wait": "maxWaitDuration stands with FLEX_START only",
    "network": "the network is named by project number",
    "tensorboard": "the tensorboard is one of the job's region",
    "tensorboard-account": "with a tensorboard there is a service account",
    # tuning
    "study": "a tuning job has a study with parameters, and a job for each trial",
    "study-metric": "its objective is val_accuracy, which the trainer reports; never a figure on test",
    "study-test": "its trials look at no test image, and publish nothing",
    "study-data": "nor does each find its data for itself: no --data auto",
    "study-trials": "so many trials, no more of them at once than there are",
    "study-parameter": "each parameter is a setting that shapes the weights, and leaves the validation images alone",
    "study-range": "each parameter has values, with a scale that fits, and the trainer takes them",
    "study-twice": "no parameter stands twice, or is fixed in the arguments too",
    "trials-share": "trials do not share an output folder",
}

#: What only the project itself can say, asked with credentials.
FROM_THE_PROJECT = {
    "bucket": "the bucket of baseOutputDirectory is there, and so is that of --output-dir",
    "bucket-region": "it lies in the job's region, or in the multi-region around it",
    "image-absent": "the image is there, under this tag or digest",
    "quota": "the quota allows so many CPUs and accelerators",
    "already-running": "no job is at work that has the same baseOutputDirectory: both would write to it",
    "already-done": "the model of this run is not there already, unless the job is to register it",
}

RULES = {**FROM_THE_FILE, **FROM_THE_PROJECT}
