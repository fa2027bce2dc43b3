"""The measured paths. Rows are read as tuples or dictionaries where no object is needed, as is usual
where Django has to be fast."""

import base64
import json
from collections import defaultdict

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from .access import allowed, problem, record
from .models import Observation, Patient, Prediction

LISTED = (
    "id", "mrn", "given_name", "family_name", "birth_date", "sex", "archived_at", "latest_egfr",
    "latest_egfr_at", "latest_uacr", "latest_uacr_at", "risk_2y", "risk_5y", "risk_category", "risk_at",
)
SHOWN = (
    "id", "mrn", "given_name", "family_name", "birth_date", "sex", "diabetes", "hypertension",
    "cardiovascular_disease", "heart_failure", "smoker", "renal_disease", "archived_at", "created_at",
    "updated_at",
)
REQUIRED = ("mrn", "given_name", "family_name", "birth_date", "sex")
OPTIONAL = SHOWN[6:12]
COURSE = 8


@require_GET
def ready(_request):
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    return HttpResponse(status=204)


@require_http_methods(["GET", "POST"])
@allowed("clinician", "administrator")
def patients(request):
    return create(request) if request.method == "POST" else listed(request)


def listed(request):
    """By risk, a page after a cursor; filters and a search by the beginning of name or number."""
    asked = request.GET
    limit = min(int(asked.get("limit", 50)), 200)
    rows = Patient.objects.annotate(rank=Coalesce("risk_5y", -1.0)).filter(archived_at=None)
    if wanted := asked.get("risk_category"):
        rows = rows.filter(risk_category=wanted)
    if wanted := asked.get("renal_disease"):
        rows = rows.filter(renal_disease=wanted)
    if wanted := asked.get("q"):
        rows = rows.filter(Q(family_name__istartswith=wanted) | Q(mrn__startswith=wanted))
    if cursor := asked.get("cursor"):
        rank, last = json.loads(base64.urlsafe_b64decode(cursor))
        rows = rows.filter(Q(rank__lt=rank) | Q(rank=rank, id__gt=last), rank__lte=rank)
    found = list(rows.order_by(F("rank").desc(), "id").values(*LISTED, "rank")[: limit + 1])
    items = found[:limit]
    courses = courses_of([item["id"] for item in items])
    for item in items:
        item["egfr_course"] = courses[item["id"]][-COURSE:]
    following = None
    if len(found) > limit:
        last = [items[-1]["rank"], str(items[-1]["id"])]
        following = base64.urlsafe_b64encode(json.dumps(last).encode()).decode()
    record(request, "patient.list", count=len(items), patients=[str(item["id"]) for item in items])
    return JsonResponse({"items": items, "next_cursor": following})


def courses_of(ids):
    courses = defaultdict(list)
    values = Observation.objects.filter(patient_id__in=ids, code="egfr").order_by("effective_at")
    for patient_id, at, value in values.values_list("patient_id", "effective_at", "value"):
        courses[patient_id].append({"at": at, "value": value})
    return courses


def create(request):
    try:
        given = json.loads(request.body)
    except ValueError:
        return problem(400, "The request cannot be read")
    errors = [{"pointer": f"/{name}", "message": "is required"} for name in REQUIRED if not given.get(name)]
    unknown = set(given) - set(REQUIRED) - set(OPTIONAL)
    errors += [{"pointer": f"/{name}", "message": "is not known"} for name in sorted(unknown)]
    if errors:
        return problem(422, "The request is not valid", errors=errors)
    try:
        with transaction.atomic():
            patient = Patient.objects.create(**given)
            record(request, "patient.create", patient.id)
    except IntegrityError:
        return problem(409, "There is a patient with this number")
    location = f"/api/v1/patients/{patient.id}"
    body = {name: getattr(patient, name) for name in SHOWN}
    return JsonResponse(body, status=201, headers={"Location": location})


@require_GET
@allowed("clinician", "administrator")
def patient(request, patient_id):
    found = Patient.objects.filter(id=patient_id).values(*SHOWN).first()
    if found is None:
        return problem(404, "There is no such patient")
    record(request, "patient.read", patient_id)
    return JsonResponse(found)


@require_GET
@allowed("clinician", "administrator")
def record_of(request, patient_id):
    """Everything that a patient's page shows, at once."""
    found = Patient.objects.filter(id=patient_id).values(*SHOWN).first()
    if found is None:
        return problem(404, "There is no such patient")
    observations = Observation.objects.filter(patient_id=patient_id).order_by("-effective_at")
    found["observations"] = list(observations.values("id", "code", "value", "unit", "effective_at")[:50])
    found["predictions"] = list(
        Prediction.objects.filter(patient_id=patient_id).order_by("-requested_at").values()[:1]
    )
    found["therapies"] = list(
        Patient(id=patient_id).therapies.values("id", "kind", "started_on", "ended_on")
    )
    record(request, "patient.read", patient_id)
    return JsonResponse(found)


@require_POST
@allowed("clinician")
def request_prediction(request, patient_id):
    from .tasks import predict

    if not Patient.objects.filter(id=patient_id).exists():
        return problem(404, "There is no such patient")
    open_one = Prediction.objects.filter(patient_id=patient_id, status="queued").first()
    if open_one is None:
        with transaction.atomic():
            open_one = Prediction.objects.create(patient_id=patient_id)
            record(request, "prediction.request", patient_id, prediction=str(open_one.id))
            transaction.on_commit(lambda: predict.send(str(open_one.id)))
    location = f"/api/v1/predictions/{open_one.id}"
    body = {"id": open_one.id, "patient_id": patient_id, "status": open_one.status}
    return JsonResponse(body, status=202, headers={"Location": location})


@require_GET
@allowed("clinician", "administrator")
def prediction(request, prediction_id):
    found = Prediction.objects.filter(id=prediction_id).values().first()
    if found is None:
        return problem(404, "There is no such prediction")
    record(request, "prediction.read", found["patient_id"])
    return JsonResponse(found)
