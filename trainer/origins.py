"""Where a setting's value comes from: flag, file, preset, environment or default, the first that has one."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from trainer.commandline import complaint, flag, read_file, read_flags
from trainer.knobs import Knob
from trainer.presets import PRESETS


class Layer(NamedTuple):
    """The raw values by name that one origin gives."""

    origin: str
    values: Mapping[str, Any]


def read_layers(
    argv: Sequence[str], env: Mapping[str, str], knobs: Mapping[str, Knob]
) -> tuple[list[Layer], list[str]]:
    """The layers, the strongest (the flags) first, and a complaint per unknown name."""
    accepted = {name: knob for name, knob in knobs.items() if knob.has_flag}
    flags, complaints = read_flags(argv, accepted)
    config: dict[str, Any] = {}
    if "config" in flags:
        config, unknown = read_file(flags["config"], accepted)
        complaints += unknown
    preset = str(flags.get("preset", config.get("preset", knobs["preset"].default)))
    layers = [
        Layer("flag", flags),
        Layer(f"file {flags.get('config')}", config),
        Layer(f"preset {preset}", PRESETS.get(preset, {})),
    ]
    for name, knob in knobs.items():
        if knob.environment and env.get(knob.environment):
            layers.append(Layer(f"environment {knob.environment}", {name: env[knob.environment]}))
    layers.append(Layer("default", {name: knob.default for name, knob in knobs.items()}))
    return layers, complaints


def resolve(layers: Sequence[Layer], knobs: Mapping[str, Knob]) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Each setting's typed value and origin, from the first layer that has it; a complaint per bad value."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    complaints = []
    for name, knob in knobs.items():
        layer = next(layer for layer in layers if name in layer.values)
        raw, origins[name] = layer.values[name], layer.origin
        try:
            values[name] = None if raw is None else knob.kind.read(raw)
        except ValueError:
            what = flag(name) if layer.origin == "flag" else f"{flag(name)} ({layer.origin})"
            do = f"see --help, or leave it out for {knob.default_text}"
            complaints.append(complaint(what, expected=knob.kind.expected, received=raw, do=do))
    return values, origins, complaints
