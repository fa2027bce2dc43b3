"""Who calls, whether they may, and that it is on record."""

import hashlib
from functools import wraps

from django.http import JsonResponse

from .models import AuditEvent, Token


def problem(status: int, title: str, **more) -> JsonResponse:
    body = {"title": title, "status": status, **more}
    return JsonResponse(body, status=status, content_type="application/problem+json")


class TokenMiddleware:
    """Resolves a bearer token to an account."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        request.account = None
        if kind == "Bearer":
            digest = hashlib.sha256(secret.encode()).hexdigest()
            token = Token.objects.select_related("account").filter(digest=digest).first()
            request.account = token and token.account
        return self.get_response(request)


def allowed(*roles: str):
    """Lets only some roles call a view."""

    def decorate(view):
        @wraps(view)
        def guarded(request, *args, **kwargs):
            if request.account is None:
                return problem(401, "Who are you?")
            if request.account.role not in roles:
                return problem(403, "You may not do this")
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def record(request, action: str, patient_id=None, **details):
    AuditEvent.objects.create(
        account=request.account, action=action, patient_id=patient_id, details=details
    )
