"""YAML in which no key stands twice: YAML itself would silently take the last one."""

from typing import Any


def load_yaml(text: str) -> Any:
    """What ``text`` says. Raises yaml.YAMLError for no YAML, ValueError for a key that stands twice in its mapping.

    ValueError also for a tag that its value doesn't fit, and for what is nested deeper than anybody would write.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """Knows no key twice, nor a value that is not of its tag, as of ``!!bool maybe`` or ``!!int ""``."""

        def construct_object(self, node: Any, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep)
            except (LookupError, AttributeError, TypeError, ArithmeticError) as error:  # As it befell each tag's code.
                shown = repr(node.value) if isinstance(node.value, str) else f"a {node.id}"
                raise ValueError(f"line {node.start_mark.line + 1}: {shown} is not of its tag {node.tag}") from error

    def construct(loader: Any, node: Any, deep: bool = False) -> Any:
        keys: list[Any] = []
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # "<<": what it brings may be given anew.
                continue
            key = loader.construct_object(key_node, deep=True)
            if key in keys:
                raise ValueError(f"line {key_node.start_mark.line + 1}: the key {key} stands here twice")
            keys.append(key)
        return loader.construct_mapping(node, deep=deep)

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, construct)
    try:
        return yaml.load(text, Loader=Loader)  # noqa: S506 – a SafeLoader
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
