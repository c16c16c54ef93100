"""What the catalog says of models and networks is what their classes hold."""

import dataclasses
import sys
from importlib import import_module

import pytest

from quantdesk.models import catalog
from quantdesk.models.training import Training


def test_every_choice_of_every_network_has_a_kind_and_a_meaning() -> None:
    for network in catalog.networks().values():
        assert network.summary.endswith(".")
        assert network.choices
        assert [choice.name for choice in network.choices if not (choice.kind and choice.meaning)] == [], network.name


def test_what_is_listed_of_a_network_is_what_its_class_takes() -> None:
    pytest.importorskip("torch", reason="networks need the extra `deep`")
    for network in catalog.networks().values():
        kind = getattr(import_module(network.module), network.name)
        declared = {field.name: field.default for field in dataclasses.fields(kind)}
        listed = {choice.name: choice.default for choice in network.choices}
        assert listed == {
            name: "required" if default is dataclasses.MISSING else repr(default) for name, default in declared.items()
        }


def test_no_network_of_the_folder_is_left_out() -> None:
    pytest.importorskip("torch", reason="networks need the extra `deep`")
    listed = catalog.networks()
    for module in {network.module for network in listed.values()}:
        inside = vars(import_module(module)).items()
        own = {name: kind for name, kind in inside if getattr(kind, "__module__", "") == module}
        assert {name for name, kind in own.items() if dataclasses.is_dataclass(kind) and hasattr(kind, "build")} <= set(listed)
    assert {"Concatenated", "Market", "PatchTST", "Stacked", "TFT"} <= set(listed)


def test_networks_are_listed_where_torch_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if "quantdesk.models.networks" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    patches = catalog.networks()["PatchTST"]
    assert patches.module == "quantdesk.models.networks.patchtst"
    assert patches.choices[1] == catalog.Choice("patch", "int", "12", "Times in a patch.")


def test_a_default_that_is_made_is_not_called_required() -> None:
    settings = catalog.hyperparameters(catalog.discover()["deep"])
    assert settings["training"] == f"{Training.__name__}()"
    assert settings["network"] == "required"
    assert settings["loss"] == "None"
