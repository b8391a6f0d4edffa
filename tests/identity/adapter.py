"""What this provider says of its people: groups, when they signed in, and, for some, what it should not."""

from typing import Any

from allauth.idp.oidc.adapter import DefaultOIDCAdapter


class Adapter(DefaultOIDCAdapter):  # type: ignore[misc]  # allauth carries no types
    def get_claims(self, purpose: str, user: Any, *arguments: Any, **named: Any) -> dict[str, Any]:
        claims: dict[str, Any] = super().get_claims(purpose, user, *arguments, **named)
        claims["groups"] = [group.name for group in user.groups.all()]
        if purpose == "userinfo":
            return claims
        if user.username != "silent":
            signed_in = int(user.last_login.timestamp())
            claims["auth_time"] = signed_in - (3600 if user.username == "stale" else 0)
        if user.username == "two":
            claims["sub"] = "another"
        return claims
