"""API keys: create, list without secrets, revoke; and a new master key for what seals them."""

import asyncio
from typing import TYPE_CHECKING, Any

from holdfast.codes import CommandKind, KeyPermission, KeyType, RejectReason
from holdfast.commands import Command
from holdfast.gateway.operator import schemas
from holdfast.gateway.operator.call import Call
from holdfast.gateway.operator.commands import carry_out, carry_out_group, done
from holdfast.gateway.operator.problems import ProblemError, malformed, refused
from holdfast.gateway.operator.services import Services
from holdfast.gateway.operator.texts import account_of, number_of, time_text

if TYPE_CHECKING:
    from holdfast.directory.keys import Key as DirectoryKey

_PERMISSIONS = {permission.name.lower(): permission for permission in KeyPermission}
_rotation = asyncio.Lock()


async def create(call: Call) -> schemas.NewKey:
    services, wanted = call.services, call.body
    account_id = account_of(services, call.path["account"])
    permissions = sum(_PERMISSIONS[name] for name in set(wanted.permissions))
    try:
        record = services.directory.key_record(
            account_id,
            KeyType[wanted.type.upper()],
            permissions,
            call.idempotency_key,
            wanted.public_key,
            wanted.allow_ips,
            wanted.label,
        )
    except ValueError as error:
        raise malformed(str(error)) from None
    try:
        control = await carry_out_group(services.replica, record)
    except ProblemError as error:
        if error.problem.reason == RejectReason.NAME_TAKEN.name:  # A key's name is its request's key.
            raise refused(RejectReason.IDEMPOTENCY_CONFLICT) from None
        raise
    key = services.directory.key_by_id(control.id)
    if key is None or key.revoked:
        raise ProblemError(409, "The key that this request made was revoked.", "Ask for a new one with a new key.")
    return schemas.NewKey(**_told(services, key), secret_key=services.directory.secret_of(control.id))


async def list_all(call: Call) -> schemas.Keys:
    account_id = account_of(call.services, call.path["account"])
    keys = call.services.directory.keys(account_id)
    return schemas.Keys([schemas.Key(**_told(call.services, key)) for key in keys])


async def revoke(call: Call) -> schemas.Done:
    """Named by its id, or by the api key itself."""
    known = call.services.directory.key(call.path["key"])
    key_id = known.key_id if known is not None else number_of(call.path["key"], "key")
    return done(await carry_out(call.services.replica, Command(kind=CommandKind.REVOKE_KEY, order_id=key_id)))


def _told(services: Services, key: "DirectoryKey") -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "account_id": key.account_id,
        "api_key": key.api_key,
        "type": key.key_type.name.lower(),
        "permissions": [name for name, bit in _PERMISSIONS.items() if key.permissions & bit],
        "allow_ips": [str(network) for network in key.allow_ips],
        "label": key.label,
        "is_revoked": key.revoked,
        "created_at": time_text(services.directory.key_created_ts_ns(key.key_id)),
    }


async def rotate_master_key(call: Call) -> schemas.Rotated:
    """A new master key: both are accepted until everything is sealed under the new one.

    A key that was on its way when this began is sealed under the old one, and is found by the second round.
    """
    directory = call.services.directory
    async with _rotation:
        groups = 0
        try:
            directory.master.begin_rotation()
            while not groups or directory.stale_key_ids():
                for group in directory.rewrap_records():
                    await carry_out_group(call.services.replica, group)
                    groups += 1
            directory.master.finish_rotation()
        except OSError as error:
            raise ProblemError(
                503, f"The master key file cannot be written: {error}.", "Make room and repeat it; nothing is lost."
            ) from error
        return schemas.Rotated(directory.master.current.hex(), groups)
