"""Whether the manifests are what Kubernetes takes, without a cluster and without kustomize, which no
package registry has: this assembles what docker/kubernetes uses of it (resources, components, labels,
images, replicas, literals, patches) and holds every object against the schema of its version, and
against what refers to what.

    python check.py <folder of a kustomization> [--print]
"""

import copy
import hashlib
import json
import sys
from pathlib import Path

import kubernetes_validate
import yaml

VERSION = "1.34"
# Of other APIs, whose schemas come with what brings them.
FOREIGN = {"PodMonitor"}
# What whoever installs has to give: names of secrets, and their keys.
GIVEN = {
    "nephrocast-owner": {"owner-password"},
    "nephrocast-database": {"database-password"},
    "nephrocast-keys": {"secret-key", "audit-key"},
    "nephrocast-tls": {"tls.crt", "tls.key"},
}
KNOWN = {
    "apiVersion", "kind", "namespace", "resources", "components", "labels", "configMapGenerator",
    "images", "replicas", "patches",
}


def merged(base, patch):
    """Objects are merged, lists replaced: the manifests patch no list of things with names."""
    if not (isinstance(base, dict) and isinstance(patch, dict)):
        return patch
    both = dict(base)
    for key, value in patch.items():
        both[key] = merged(base.get(key), value) if value is not None else both.pop(key, None)
    return both


def named(objects, kind, name):
    found = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    if len(found) != 1:
        raise SystemExit(f"there are {len(found)} of {kind} {name}")
    return found[0]


def assembled(folder: Path, objects: list, literals: dict):
    """What a kustomization makes, added to what is there."""
    told = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if unknown := set(told) - KNOWN:
        raise SystemExit(f"{folder}: this check does not know {', '.join(sorted(unknown))}")
    for path in told.get("resources", []) + told.get("components", []):
        target = (folder / path).resolve()
        if target.is_dir():
            assembled(target, objects, literals)
        else:
            objects += [one for one in yaml.safe_load_all(target.read_text()) if one]
    for made in told.get("configMapGenerator", []):
        given = dict(literal.split("=", 1) for literal in made["literals"])
        if (made.get("behavior") == "merge") != (made["name"] in literals):
            raise SystemExit(f"{folder}: {made['name']} is made twice, or merged into nothing")
        literals.setdefault(made["name"], {}).update(given)
    for patch in told.get("patches", []):
        change = yaml.safe_load((folder / patch["path"]).read_text())
        target = named(objects, change["kind"], change["metadata"]["name"])
        target.update(merged(copy.deepcopy(target), change))
    for change in told.get("replicas", []):
        named(objects, "Deployment", change["name"])["spec"]["replicas"] = change["count"]
    for one in objects:
        for label in told.get("labels", []):
            one["metadata"].setdefault("labels", {}).update(label["pairs"])
        if told.get("namespace") and one["kind"] != "Namespace":
            one["metadata"]["namespace"] = told["namespace"]
        for container in containers(one):
            for image in told.get("images", []):
                if container["image"] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"


def pod(one):
    return one["spec"]["template"] if one["kind"] in ("Deployment", "Job") else None


def containers(one):
    return pod(one)["spec"]["containers"] if pod(one) else []


def with_maps(objects, literals, namespace):
    """The configuration maps, under names that change with what they hold."""
    names = {}
    for name, data in literals.items():
        names[name] = f"{name}-{hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:10]}"
        metadata = {"name": names[name], "namespace": namespace}
        objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    for one in objects:
        for container in containers(one):
            for source in container.get("envFrom", []):
                source["configMapRef"]["name"] = names[source["configMapRef"]["name"]]


def faults_of_pod(one, claims):
    where, spec = f"{one['kind']} {one['metadata']['name']}", pod(one)["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for volume in volumes.values():
        secret, claim = volume.get("secret"), volume.get("persistentVolumeClaim")
        if secret and secret["secretName"] not in GIVEN:
            yield f"{where}: nobody gives the secret {secret['secretName']}"
        if claim and claim["claimName"] not in claims:
            yield f"{where}: there is no claim {claim['claimName']}"
    if not spec["securityContext"].get("runAsNonRoot"):
        yield f"{where}: it may run as root"
    for container in spec["containers"]:
        locked = container["securityContext"]
        if not locked["readOnlyRootFilesystem"] or locked["allowPrivilegeEscalation"]:
            yield f"{where}: it may change its own files, or become more"
        if "memory" not in container["resources"]["limits"]:
            yield f"{where}: it may take all memory"
        if one["kind"] == "Deployment" and not {"readinessProbe", "livenessProbe"} <= set(container):
            yield f"{where}: nobody looks after it"
        if ":" not in container["image"].rsplit("/", 1)[-1]:
            yield f"{where}: its image has no version"
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        if set(mounts) != set(volumes):
            yield f"{where}: volumes and mounts differ"
        files = {
            f"{path}/{key}"
            for name, path in mounts.items()
            if (secret := volumes[name].get("secret"))
            for key in [item["path"] for item in secret.get("items", [])] or GIVEN.get(secret["secretName"], [])
        }
        for variable in container.get("env", []):
            if variable["name"].endswith("_FILE") and variable["value"] not in files:
                yield f"{where}: {variable['name']} is {variable['value']}, which nothing mounts"


def chosen(selector, labels):
    wanted = selector.get("matchLabels", {}).items()
    among = selector.get("matchExpressions", [])
    return all(labels.get(k) == v for k, v in wanted) and all(labels.get(e["key"]) in e["values"] for e in among)


def selectors(one):
    """Every selector of pods of ours that an object has."""
    spec = one.get("spec", {})
    if one["kind"] == "Service":
        yield {"matchLabels": spec["selector"]}
    for key in ("selector", "podSelector"):
        if one["kind"] != "Service" and key in spec:
            yield spec[key]
    for rule in spec.get("ingress", []) + spec.get("egress", []):
        yield from (peer["podSelector"] for peer in rule.get("from", []) + rule.get("to", []) if "podSelector" in peer)


def ports(one):
    """Names of ports that a service or a policy means."""
    spec = one.get("spec", {})
    if one["kind"] == "Service":
        yield from (port["targetPort"] for port in spec["ports"])
    for rule in spec.get("ingress", []) + spec.get("egress", []):
        yield from (port["port"] for port in rule.get("ports", []) if isinstance(port["port"], str))


def faults(objects):
    seen = [(one["kind"], one["metadata"]["name"]) for one in objects]
    yield from (f"there are two of {kind} {name}" for kind, name in set(seen) if 1 < seen.count((kind, name)))
    claims = {name for kind, name in seen if kind == "PersistentVolumeClaim"}
    pods = [pod(one) for one in objects if pod(one)]
    opened = {port["name"] for one in objects for container in containers(one) for port in container.get("ports", [])}
    for one in objects:
        where = f"{one['kind']} {one['metadata']['name']}"
        if one["kind"] not in FOREIGN:
            try:
                kubernetes_validate.validate(one, VERSION, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{where}: {'.'.join(map(str, error.path))}: {error.message}"
            except kubernetes_validate.SchemaNotFoundError:
                yield f"{where}: Kubernetes {VERSION} has no such kind"
        if pod(one):
            yield from faults_of_pod(one, claims)
        for port in set(ports(one)) - opened:
            yield f"{where}: no container has a port {port}"
        for selector in selectors(one):
            if not any(chosen(selector, of["metadata"]["labels"]) for of in pods):
                yield f"{where}: chooses no pod by {json.dumps(selector)}"
        if one["kind"] == "HorizontalPodAutoscaler":
            named(objects, "Deployment", one["spec"]["scaleTargetRef"]["name"])
            if "replicas" in named(objects, "Deployment", one["spec"]["scaleTargetRef"]["name"])["spec"]:
                yield f"{where}: what it scales has a number of its own"


def main():
    folder, objects, literals = Path(sys.argv[1]), [], {}
    assembled(folder, objects, literals)
    namespace = yaml.safe_load((folder / "kustomization.yaml").read_text()).get("namespace")
    with_maps(objects, literals, namespace)
    if "--print" in sys.argv:
        print(yaml.safe_dump_all(objects, sort_keys=False))
    found = list(faults(objects))
    for fault in found:
        print(f"{folder}: {fault}", file=sys.stderr)
    sys.exit(bool(found))


main()
