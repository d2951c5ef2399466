"""A deployment's folder → Deployment, or all that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sugar_deploy.deployment.between import BETWEEN_RULES
from sugar_deploy.deployment.compose import compose
from sugar_deploy.deployment.faults import Fault, quoted, shortened
from sugar_deploy.deployment.federation import FEDERATION_RULES, federations_hold_together
from sugar_deploy.deployment.laptops import Seen, read_laptops
from sugar_deploy.deployment.model import Deployment, Laptop, Role, School
from sugar_deploy.deployment.names import name_fault
from sugar_deploy.deployment.network_rules import NETWORK_RULES, names_are_free_everywhere
from sugar_deploy.deployment.rules import (
    SCHOOL_RULES,
    Site,
    images_have_models,
    images_have_settings,
    service_nowhere_offered,
)
from sugar_deploy.deployment.salvage import Salvaged, salvage
from sugar_deploy.deployment.schools_csv import SchoolRows, read_schools
from sugar_deploy.deployment.source import Source, UnreadableError, read_source
from sugar_deploy.deployment.tree import Tree
from sugar_deploy.deployment.words import faults
from sugar_deploy.errors import InvalidDeployment, Problem
from sugar_deploy.folder import Folder
from sugar_deploy.garbage import collector_paused

_SCHOOL: TypeAdapter[School] = TypeAdapter(School)
_DEPLOYMENT: TypeAdapter[Deployment] = TypeAdapter(Deployment)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid deployment with every school's laptops."""

    deployment: Deployment
    laptops: dict[str, tuple[Laptop, ...]]


def load(folder: Folder) -> Deployment:
    """Read and validate the deployment file and its CSVs; InvalidDeployment with all their faults."""
    return load_all(folder).deployment


def load_all(folder: Folder) -> Loaded:
    """As `load`, and keep the laptops that were read on the way."""
    reading = _Reading(folder)
    with collector_paused():
        loaded = reading.read()
    if reading.problems or loaded is None:
        raise InvalidDeployment(reading.problems)
    return loaded


def laptops(folder: Folder, school: School) -> tuple[Laptop, ...]:
    """The laptops of a school, in the order of its CSV."""
    if school.laptops is None:
        return ()
    problems: list[Problem] = []
    path = folder.root / school.laptops
    try:
        source = read_source(path, str(path), problems, bom=True)
    except UnreadableError as error:
        raise InvalidDeployment([Problem(str(path), 1, 1, "file", error.message, error.remedy)]) from None
    found = read_laptops(source, Seen({}), problems) if source else ()
    if problems:
        raise InvalidDeployment(problems)
    return found


@dataclass(slots=True)
class _Reading:
    """Collects what is read of a folder and all that is wrong with it."""

    folder: Folder
    problems: list[Problem] = field(default_factory=list)
    tree: Tree | None = None
    rows: SchoolRows | None = None
    from_rows: set[str] = field(default_factory=set)
    """Schools that only the CSV describes."""
    named: dict[str, None] = field(default_factory=dict)
    """Every school that is described, however badly."""
    complete: bool = True
    """Whether every school was found, if only to be faulty."""
    salvaged: dict[str, Salvaged[School]] = field(default_factory=dict)
    """What is sound of the faulty ones."""

    def read(self) -> Loaded | None:
        source = self._main()
        self.tree = compose(source, self.problems) if source else None
        if self.tree is None:
            return None
        base = self._base(self.tree.root.data)
        schools = self._written_schools(self.tree.root.data.get("schools"))
        self.named = dict.fromkeys(self.tree.keys(("schools",)))
        self.complete = self.complete and base.judges("schools_from")
        if base.section.schools_from is not None:
            schools.update(self._schools_from(base.section.schools_from))
        deployment = base.section.model_copy(update={"schools": schools})
        self._rules(Salvaged(deployment, base.cut))
        everyone = {**schools, **{name: part.section for name, part in self.salvaged.items()}}
        return Loaded(deployment, self._laptops(everyone))

    def _main(self) -> Source | None:
        # As it is reached from where we are, in the words of the command line: an editor opens it by that.
        name = str(self.folder.file)
        try:
            return read_source(self.folder.file, name, self.problems, bom=False)
        except UnreadableError as error:
            missing = "Write one with `sugar-deploy init`, or name its folder with -C."
            remedy = error.remedy if self.folder.file.exists() else missing
            message = error.message
            if not self.folder.root.is_dir():
                message += f": there is no folder {shortened(str(self.folder.root), 200)}"
            self.problems.append(Problem(name, 1, 1, "file", message, remedy))
            return None

    def _base(self, data: dict[str, Any]) -> Salvaged[Deployment]:
        """The deployment without its schools; what is faulty is cut off, so that the rest can be judged."""
        data = {key: value for key, value in data.items() if key != "schools"}
        try:
            return Salvaged(_DEPLOYMENT.validate_python(data), frozenset())
        except ValidationError as error:
            self._report(*faults(error))
        part = salvage(_DEPLOYMENT, Deployment, data)
        return part or Salvaged(Deployment(version=1, name="unnamed", title="Unnamed"), frozenset({()}))

    def _written_schools(self, data: Any) -> dict[str, School]:
        schools: dict[str, School] = {}
        if not isinstance(data, dict):
            if data is not None:
                self.complete = False
                self._schools_are_no_mapping(data)
            return schools
        for name, value in data.items():
            if fault := name_fault(name):
                self._report(fault)
            try:
                schools[name] = _SCHOOL.validate_python(value)
            except ValidationError as error:
                self._report(*faults(error, ("schools", name), School))
                if part := salvage(_SCHOOL, School, value):
                    self.salvaged[name] = part
        return schools

    def _schools_are_no_mapping(self, data: Any) -> None:
        try:
            Deployment.model_validate({"version": 1, "name": "unnamed", "title": "Unnamed", "schools": data})
        except ValidationError as error:
            self._report(*faults(error))

    def _schools_from(self, path: str) -> dict[str, School]:
        source = self._companion(path, ("schools_from",))
        self.rows = read_schools(source, self.problems) if source else None
        if self.rows is None or any(problem.key == "row" for problem in self.problems):
            self.complete = False
        if self.rows is None:
            return {}
        for name in self.rows.rows:
            if name in self.named:
                message = f"{quoted(name)} is already a school of {self.folder.file}, line {self._line(name)}"
                self.problems.append(self.rows.problem(Fault(("schools", name), message, "Delete one of them.")))
            else:
                self.from_rows.add(name)
                self.named[name] = None
        self.salvaged.update({name: part for name, part in self.rows.salvaged.items() if name in self.from_rows})
        return {name: school for name, school in self.rows.schools.items() if name in self.from_rows}

    def _line(self, name: str) -> int:
        return self.tree.root.place_of(("schools", name), at_key=True)[0] if self.tree else 1

    def _companion(self, path: str, key: tuple[str, ...]) -> Source | None:
        """A file that the deployment names at a key; if it cannot be opened, that key is at fault."""
        try:
            reached = self.folder.root / path
            return read_source(reached, str(reached), self.problems, bom=True)
        except UnreadableError as error:
            self._report(Fault(key, f"{quoted(path)} {error.message}", error.remedy))
            return None

    def _rules(self, deployment: Salvaged[Deployment]) -> None:
        whole: frozenset[tuple[str, ...]] = frozenset()
        parts = {name: Salvaged(school, whole) for name, school in deployment.section.schools.items()}
        parts.update(self.salvaged)
        roles = {name: parts[name].section.role if _known_role(parts.get(name)) else None for name in self.named}
        masters = tuple(sorted(name for name, role in roles.items() if role is Role.MASTER))
        rules = (*SCHOOL_RULES, *NETWORK_RULES, *FEDERATION_RULES)
        for name, part in parts.items():
            site = Site(name, part.section, deployment.section, roles, masters, self.complete)
            for rule in rules:
                if not part.cut or part.judges(*rule.keys):
                    for fault in rule.check(site):
                        self._report(fault)
        reached = {name: part.section for name, part in parts.items() if part.judges("server", "scenario")}
        for between in BETWEEN_RULES:
            self._report(*between(reached, deployment.section.domain))
        if deployment.judges("images"):
            self._report(*images_have_models(deployment.section))
        if deployment.judges("services"):
            self._report(*names_are_free_everywhere(deployment.section))
        if len(deployment.section.schools) == len(self.named) and deployment.judges("images"):
            self._report(*images_have_settings(deployment.section))
        if len(deployment.section.schools) == len(self.named) and deployment.judges("services"):
            self._report(*service_nowhere_offered(deployment.section))
            self._report(*federations_hold_together(deployment.section))

    def _laptops(self, schools: dict[str, School]) -> dict[str, tuple[Laptop, ...]]:
        seen, read = Seen({}), set[str]()
        found: dict[str, tuple[Laptop, ...]] = {}
        for name, school in schools.items():
            # A list that two schools name is a fault of its own, reported once.
            if school.laptops is None or school.laptops in read:
                continue
            read.add(school.laptops)
            source = self._companion(school.laptops, ("schools", name, "laptops"))
            found[name] = read_laptops(source, seen, self.problems) if source else ()
        return found

    def _report(self, *found: Fault) -> None:
        self.problems += self._located(found)

    def _located(self, found: tuple[Fault, ...]) -> Iterator[Problem]:
        for fault in found:
            if self.rows and fault.path[0] == "schools" and str(fault.path[1]) in self.from_rows:
                yield self.rows.problem(fault)
            elif self.tree:
                yield self.tree.problem(fault)


def _known_role(part: Salvaged[School] | None) -> bool:
    return part is not None and part.judges("role")
