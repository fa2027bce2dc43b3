"""Whether compose.yaml, alone and with what can stand beside it, says what it should: merged as Compose
does it, every container is pinned and locked down, looked after, and finds what it refers to.

    python check_compose.py <folder>
"""

import itertools
import re
import sys
from pathlib import Path

import yaml

# What is excepted, and why.
CAPABLE = {"postgres": "its entrypoint gives the data to its user, and becomes it"}
UNWATCHED = {
    "migrate": "it ends",
    "backup": "it ends",
    "certbot": "it sleeps for half a day; its failures are in its log",
    "web": "its image says how",
    "collector": "its image has nothing to ask with",
    "jaeger": "its image has nothing to ask with",
}
OURS = re.compile(r"nephrocast-[a-z]+")
PINNED = re.compile(r".+:v?\d+(\.\d+)*(-[a-z]+)?")


def merged(base, other):
    if isinstance(base, dict) and isinstance(other, dict):
        return {key: merged(base[key], other[key]) if key in base and key in other else base.get(key, other.get(key))
                for key in [*base, *(key for key in other if key not in base)]}
    if isinstance(base, list) and isinstance(other, list):
        return base + [one for one in other if one not in base]
    return other


def faults_of(name, service, whole, folder):
    image = service.get("image", "")
    if not (OURS.fullmatch(image) or PINNED.fullmatch(image)):
        yield f"its image has no version: {image}"
    if not service.get("read_only"):
        yield "it may change its own files"
    if service.get("cap_drop") != ["ALL"] and name not in CAPABLE:
        yield "it keeps capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "it may become more"
    if not OURS.fullmatch(image) and name not in CAPABLE and re.match(r"(0|root)\b", service.get("user", "0")):
        yield "it runs as root, or as its image likes"
    if "healthcheck" not in service and name not in UNWATCHED:
        yield "nobody asks whether it is well"
    for needed, condition in service.get("depends_on", {}).items():
        if needed not in whole["services"]:
            yield f"it waits for {needed}, which is not there"
        elif condition["condition"] == "service_healthy" and needed in set(UNWATCHED) - {"web"}:
            yield f"it waits for {needed}, which nobody asks"
    for network in service.get("networks", []):
        if network not in whole["networks"]:
            yield f"there is no network {network}"
    if service.get("ports") and all((whole["networks"].get(one) or {}).get("internal") for one in service["networks"]):
        yield "no port is published from a network that is internal"
    for volume in service.get("volumes", []):
        source, mode = volume.split(":")[0], volume.split(":")[-1]
        if source.startswith("${"):
            # A folder that whoever runs it names.
            continue
        if source.startswith("."):
            if source != "./backups" and not (folder / source).exists():
                yield f"it mounts {source}, which is not there"
            if source != "./backups" and mode != "ro":
                yield f"it may change {source}"
        elif source not in whole["volumes"]:
            yield f"there is no volume {source}"
    for secret in service.get("secrets", []):
        if secret not in whole["secrets"]:
            yield f"there is no secret {secret}"
    for variable, value in service.get("environment", {}).items():
        if variable.endswith("_FILE"):
            if Path(value).parent != Path("/run/secrets") or Path(value).name not in service.get("secrets", []):
                yield f"{variable} is {value}, which it is not given"
        elif re.search(r"PASSWORD|SECRET|KEY$", variable):
            yield f"{variable} holds a secret"


def main():
    folder = Path(sys.argv[1])
    read = {path.name: yaml.safe_load(path.read_text()) for path in sorted(folder.glob("compose*.yaml"))}
    base = read.pop("compose.yaml")
    found = set()
    # Alone, with each beside it, and with all.
    for beside in [(), *((name,) for name in read), tuple(read)]:
        whole = base
        for name in beside:
            whole = merged(whole, read[name])
        for name, service in whole["services"].items():
            found.update(f"{name}: {fault}" for fault in faults_of(name, service, whole, folder))
        taken = [port.rsplit(":", 1)[0] for one in whole["services"].values() for port in one.get("ports", [])]
        found.update(f"the port {port} is taken twice" for port, _ in itertools.groupby(sorted(taken)) if taken.count(port) > 1)
    for fault in sorted(found):
        print(f"{folder}: {fault}", file=sys.stderr)
    sys.exit(bool(found))


main()
