"""``kombu`` and ``billiard``, for where they are not installed."""

from __future__ import annotations

from typing import Final

from umbel.compat.names.table import AliasTable
from umbel.compat.version import KOMBU, KOMBU_INFO

_ENTITIES: Final = "Exchange Queue binding=Binding"
_CLIENT: Final = "app.send_task() and app.connection(); for a client of AMQP that knows no tasks, install kombu itself"
_CLIENTS: Final = dict.fromkeys(("Connection", "BrokerConnection", "Consumer", "Producer", "Message", "connections", "producers"), _CLIENT)
_MIXINS: Final = dict.fromkeys(("ConsumerMixin", "ConsumerProducerMixin"), "umbel.Service, or kombu itself, installed beside")

TABLES: Final = {
    "kombu": AliasTable(
        {
            "umbel.brokers.topology": _ENTITIES,
            "umbel.compat.kombu.serialization": "disable_insecure_serializers enable_insecure_serializers",
            "umbel": "uuid",
        },
        elsewhere=_CLIENTS,
        values={"__version__": KOMBU, "VERSION": KOMBU_INFO, "version_info": KOMBU_INFO},
    ),
    "kombu.entity": AliasTable({"umbel.brokers.topology": _ENTITIES}),
    "kombu.common": AliasTable({"umbel.brokers.topology": "Broadcast", "umbel": "uuid"}, elsewhere=_CLIENTS),
    "kombu.messaging": AliasTable({"umbel.brokers.topology": "Exchange Queue"}, elsewhere=_CLIENTS),
    "kombu.connection": AliasTable(elsewhere=_CLIENTS),
    "kombu.pools": AliasTable(elsewhere=_CLIENTS),
    "kombu.simple": AliasTable(elsewhere=dict.fromkeys(("SimpleBuffer", "SimpleQueue"), _CLIENT)),
    "kombu.mixins": AliasTable(elsewhere=_MIXINS),
    "kombu.serialization": AliasTable(
        {"umbel.compat.kombu.serialization": "disable_insecure_serializers dumps enable_insecure_serializers loads register registry"}
    ),
    "kombu.compression": AliasTable({"umbel.compat.kombu.serialization": "compress decompress register=register_compression"}),
    "kombu.exceptions": AliasTable(
        {
            "umbel.errors": "ContentDisallowed DecodeError EncodeError KombuError=UmbelError OperationalError SerializationError=MessageError TimeoutError",
            "umbel.compat.parts": "ChannelError=OperationalError ConnectionError=OperationalError LimitExceeded=OperationalError reraise",
        }
    ),
    "kombu.utils": AliasTable(
        {
            "umbel": "uuid",
            "umbel.compat.legacy.functional": "cached_property maybe_list",
            "umbel.compat.legacy.importing": "symbol_by_name",
        }
    ),
    "kombu.utils.json": AliasTable({"umbel.compat.kombu.serialization": "dumps=json_dumps loads=json_loads register_type"}),
    "kombu.utils.uuid": AliasTable({"umbel": "uuid"}),
    "kombu.utils.objects": AliasTable({"umbel.compat.legacy.functional": "cached_property"}),
    "kombu.utils.imports": AliasTable({"umbel.compat.legacy.importing": "symbol_by_name"}),
    "kombu.utils.functional": AliasTable(
        {
            "umbel.compat.legacy.functional": "LRUCache dictfilter is_list maybe_list memoize",
            "umbel.compat.legacy.proxies": "maybe_evaluate",
        }
    ),
    "kombu.utils.encoding": AliasTable({"umbel.compat.kombu.text": "bytes_to_str ensure_bytes safe_repr safe_str str_to_bytes"}),
    "kombu.utils.url": AliasTable({"umbel.clients.urls": "maybe_sanitize_url=masked sanitize_url=masked"}),
    "kombu.log": AliasTable({"umbel.compat.legacy.logs": "LOG_LEVELS get_logger get_loglevel=mlevel"}),
    "billiard": AliasTable(
        {"multiprocessing": "Event Lock Pipe Pool Process Queue current_process cpu_count=cpu_count get_context set_start_method"}
    ),
    "billiard.exceptions": AliasTable({"umbel.errors": "SoftTimeLimitExceeded Terminated TimeLimitExceeded WorkerLostError"}),
    "billiard.process": AliasTable({"multiprocessing": "current_process"}),
    "billiard.einfo": AliasTable({"umbel.execution.exception_info": "ExceptionInfo"}),
}
