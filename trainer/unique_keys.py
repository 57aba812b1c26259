"""YAML in which no key stands twice: YAML itself would silently take the last one."""

from typing import Any


def load_yaml(text: str) -> Any:
    """What ``text`` says. Raises ValueError for a key that stands twice in its mapping, yaml.YAMLError for no YAML."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Knows no key twice."""

    def construct(loader: Any, node: Any, deep: bool = False) -> Any:
        keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise ValueError(f"line {node.value[number][0].start_mark.line + 1}: the key {key} stands here twice")
        return loader.construct_mapping(node, deep=deep)

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, construct)
    return yaml.load(text, Loader=Loader)  # noqa: S506 – a SafeLoader
