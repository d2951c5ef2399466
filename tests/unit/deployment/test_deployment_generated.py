"""What is made from the model is up to date, and says what the model says."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from sugar_deploy.deployment import reference
from sugar_deploy.deployment.model import Deployment, Scenario
from sugar_deploy.deployment.network_rules import SERVER_NAMES
from sugar_deploy.deployment.rules import LAN_SERVICES
from sugar_deploy.resources import resource
from sugar_deploy.scenario import argument_specs
from sugar_deploy.scenario.site import OFFERS
from sugar_deploy.scenario.variables import PHASES


def test_the_roles_argument_specs_are_up_to_date() -> None:
    assert argument_specs.outdated(resource("roles")) == []


def test_the_reference_page_is_up_to_date() -> None:
    assert reference.PAGE.read_text("utf-8") == reference.page()


def test_an_argument_spec_says_what_ansible_needs_to_know() -> None:
    options = {
        name: option
        for phase in PHASES
        for name, option in yaml.safe_load(argument_specs.specification(phase))["argument_specs"]["main"][
            "options"
        ].items()
    }
    assert options["base__languages"] == {
        "description": "Locales, the default one first.",
        "type": "list",
        "elements": "str",
        "required": True,
    }
    # Null means that it is carried to the server: Ansible must not ask for a value.
    assert "required" not in options["repository__url"]
    assert options["presence__log_level"]["choices"] == ["debug", "info", "warn", "error"]
    assert options["presence__log_level"]["default"] == "info"
    assert options["lan__range"]["options"]["first"]["required"] is True
    assert options["firewall__uplink_ports"]["elements"] == "int"


def test_the_page_names_every_key() -> None:
    text = reference.page()
    assert "| `lease_minutes` | a whole number, 2 to 10080 | `180` |" in text
    assert "`schools.<name>.lan.wireless`" in text
    keys = {key for name in ("School", "Server", "Lan") for key in json_properties(name)}
    assert keys <= set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def json_properties(section: str) -> set[str]:
    return set(reference.json_schema()["$defs"][section]["properties"])


def test_the_schema_is_of_2020_12_and_describes_every_key() -> None:
    schema = json.loads(json.dumps(reference.json_schema()))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    sections = [schema, *schema["$defs"].values()]
    properties = [each for section in sections for each in section.get("properties", {}).values()]
    assert len(properties) > 50
    assert all(each.get("description") for each in properties)
    assert all(section["additionalProperties"] is False for section in sections if "properties" in section)


def test_the_schema_s_patterns_are_such_as_editors_read() -> None:
    patterns = re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(reference.json_schema()))
    assert patterns
    for pattern in patterns:
        re.compile(json.loads(f'"{pattern}"'))


@pytest.mark.parametrize("scenario", Scenario)
def test_the_rules_know_what_each_scenario_offers(scenario: Scenario) -> None:
    assert LAN_SERVICES[scenario] == OFFERS[scenario].lan_services


def test_the_schema_takes_the_defaults_from_the_model() -> None:
    assert reference.json_schema()["properties"]["domain"]["default"] == Deployment.model_fields["domain"].default


def test_the_rules_know_the_names_that_the_role_gives() -> None:
    given = yaml.safe_load((resource("roles") / "lan" / "vars" / "main.yml").read_text("utf-8"))
    assert {*given["lan__names"], *given["lan__aliases"]} == SERVER_NAMES
