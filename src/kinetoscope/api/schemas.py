"""JSON Schemas that several routes share; doors name them by `ref`; openapi.json holds them."""

from typing import Any

from kinetoscope.api.envelope import credits_json
from kinetoscope.api.samples import order_example
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.price import price_table
from kinetoscope.catalog.schema import json_schema
from kinetoscope.catalog.spec import Catalog
from kinetoscope.kernel.order import MediaKind
from kinetoscope.tasks.reuse import SEED, takes_seed

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """Refer to a shared schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Schema) -> Schema:
    """Return a schema that null satisfies too."""
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(name: str, item: Schema) -> Schema:
    """Return the schema of one page of a list: its items under a name, and how to go on."""
    return {
        "type": "object",
        "required": [name, "nextCursor"],
        "properties": {
            name: {"type": "array", "items": item},
            "nextCursor": {
                "type": ["string", "null"],
                "description": "Send it as `cursor` for the next page; null on the last one",
            },
        },
    }


TEXT: Schema = {"type": "string"}
MOMENT: Schema = {"type": "integer", "description": "Unix time in milliseconds"}
MOMENT_OR_NULL: Schema = {"type": ["integer", "null"], "description": "Unix time in milliseconds"}
CREDITS: Schema = {"type": "number", "description": "Credits, exact to 1/100"}
TASK_ID: Schema = {
    "type": "string",
    "pattern": "^(task_[0-9a-z]{8,40}|demo_task_[0-9a-z_]{1,40})$",
    "examples": ["task_3n8x0q6v1m5k2j9h7g4f0d8s"],
}

TASK_ERROR: Schema = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string", "examples": ["2038", "InvalidParameter", "asset_review_failed"]},
        "message": TEXT,
        "detail": {"type": "string", "description": "Why exactly, where there is more to say"},
    },
}

OUTPUT: Schema = {
    "type": "object",
    "description": "One finished file",
    "required": ["url", "mediaType"],
    "properties": {
        "url": {"type": "string", "format": "uri", "description": "Needs no key; valid a while"},
        "mediaType": {"type": "string", "examples": ["video/mp4"]},
        "width": {"type": "integer", "description": "Pixels; absent for audio"},
        "height": {"type": "integer", "description": "Pixels; absent for audio"},
        "duration": {"type": "number", "description": "Seconds; absent for images"},
        "seed": {"type": ["integer", "null"]},
        "lastFrameImage": {"type": "string", "format": "uri", "description": "Of a video"},
        "expired": {"type": "boolean", "description": "Present and true when the file is gone"},
        "contentCredentials": {"type": "boolean", "description": "Signed; absent without a key"},
    },
}

RECORD_PROPERTIES: Schema = {
    "taskId": TEXT,
    "model": TEXT,
    "status": {
        "enum": ["waiting", "generating", "success", "fail"],
        "description": "A task that failed is answered with HTTP 200, too",
    },
    "creditsUsed": CREDITS
    | {"description": "What the task costs: held while it runs, given back if it fails"},
    "output": nullable({"type": "array", "items": ref("Output")})
    | {"description": "Null unless the task succeeded"},
    "error": nullable(ref("TaskError")) | {"description": "Null unless the task failed"},
    "createTime": MOMENT,
    "completeTime": MOMENT_OR_NULL,
    "progress": {"type": ["integer", "null"], "minimum": 0, "maximum": 100},
    "preview": {
        "type": "boolean",
        "description": "Whether the embedded renderer drew it, not the model itself",
    },
    "aiGenerated": {"type": ["boolean", "null"], "description": "Null unless the task succeeded"},
    "expiresAt": MOMENT_OR_NULL | {"description": "When the files are removed, Unix milliseconds"},
}

RECORD: Schema = {
    "type": "object",
    "description": "A task as its owner sees it",
    "required": list(RECORD_PROPERTIES),
    "properties": RECORD_PROPERTIES
    | {"metadataExpiresAt": MOMENT_OR_NULL | {"description": "When the task is forgotten"}},
    "examples": [
        {
            "taskId": "task_3n8x0q6v1m5k2j9h7g4f0d8s",
            "model": "seedance-20",
            "status": "success",
            "creditsUsed": 200,
            "output": [
                {
                    "url": "https://kinetoscope.example/media/x1.mp4?expires=1&signature=s",
                    "mediaType": "video/mp4",
                    "width": 1280,
                    "height": 720,
                    "duration": 5.042,
                    "seed": 10792,
                    "lastFrameImage": "https://kinetoscope.example/media/x1-last.png?expires=1",
                }
            ],
            "error": None,
            "createTime": 1789985778346,
            "completeTime": 1789985975235,
            "progress": 100,
            "preview": False,
            "aiGenerated": True,
            "expiresAt": 1791195575235,
            "metadataExpiresAt": 1795169975235,
        }
    ],
}

EVENT: Schema = {
    "type": "object",
    "description": "What is sent to callBackUrl when a task has ended",
    "required": ["code", "message", "data"],
    "properties": {
        "code": {"const": 200},
        "message": {"const": "success"},
        "data": {
            "allOf": [ref("Record")],
            "type": "object",
            "required": ["state", "orderId", "updateTime"],
            "properties": {
                "state": {"enum": ["success", "fail"], "description": "The same as status"},
                "orderId": TEXT,
                "updateTime": MOMENT_OR_NULL,
            },
        },
    },
}

ISSUE: Schema = {
    "type": "object",
    "required": ["code", "message", "path"],
    "properties": {
        "code": {"type": "string", "examples": ["custom", "invalid_type", "too_big"]},
        "message": TEXT,
        "path": {
            "type": "array",
            "items": {"type": ["string", "integer"]},
            "examples": [["imageUrls", 0]],
        },
    },
}


def _refusal(description: str, always: tuple[str, ...] = (), **properties: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "required": ["message", *always],
        "properties": {"message": TEXT, **properties},
    }


SHARED: Schema = {
    "Record": RECORD,
    "Output": OUTPUT,
    "TaskError": TASK_ERROR,
    "Event": EVENT,
    "Error": _refusal("A refusal, in a sentence"),
    "InvalidRequest": _refusal(
        "What is wrong, one by one where that can be said",
        errors={"type": "array", "items": ISSUE},
    ),
    "CreditsShort": _refusal(
        "Too few credits; nothing was held",
        ("required", "available"),
        required=CREDITS,
        available=CREDITS,
    ),
    "TooMany": _refusal(
        "Too many tasks at once, or too many requests; nothing was created or charged",
        limit={"type": "integer"},
        current={"type": "integer", "description": "How many tasks are running"},
    ),
    "Unavailable": _refusal(
        "The service cannot answer just now; it is safe to try again",
        taskId={"type": "string", "description": "The task that may have been created, if any"},
    ),
}

OF_STATUS = {400: "InvalidRequest", 402: "CreditsShort", 429: "TooMany", 503: "Unavailable"}
"""What a refusal of a status looks like; all others are an Error."""


def components(catalog: Catalog) -> Schema:
    """Return every shared schema: those above, each model's inputs, and what createTask takes."""
    orders = {f"Order_{model.id}": _order(model) for model in catalog.models}
    return {
        **SHARED,
        "CreateTask": _create_task(catalog),
        **{f"Inputs_{model.id}": inputs_of(model) for model in catalog.models},
        **orders,
    }


def inputs_of(model: Model) -> Schema:
    """Return a model's inputs with its prices beside them."""
    schema: Schema = dict(json_schema(model))
    schema.pop("$schema")  # the document's dialect is the same
    return schema | {"x-price": prices_json(model)}


def prices_json(model: Model) -> list[Schema]:
    """Return a model's price list: what is asked for, in words, and what one unit of it costs."""
    return [
        {"for": list(row.words), "credits": credits_json(row.price), "per": row.unit}
        for row in price_table(model)
    ]


def _order(model: Model) -> Schema:
    return {
        "type": "object",
        "title": model.title,
        "description": model.description,
        "required": ["model", "inputs"],
        "properties": {"model": {"const": model.id}, "inputs": ref(f"Inputs_{model.id}")},
    }


def _create_task(catalog: Catalog) -> Schema:
    names = {model.id: f"Order_{model.id}" for model in catalog.models}
    seeded = [model.id for model in catalog.models if takes_seed(model)]
    return {
        "type": "object",
        "description": "Older names and spellings of inputs are accepted as well; inputs that a "
        "model does not know are ignored.",
        "required": ["model", "inputs"],
        "properties": {
            "model": {"enum": list(names)},
            "inputs": {"type": "object"},
            "callBackUrl": {
                "type": ["string", "null"],
                "format": "uri",
                "maxLength": 2048,
                "description": "An http or https address that is told when the task has ended: "
                "without a user name, in no private network, at port 80, 443, 8080 or 8443, unless "
                "the operator allows more",
            },
            "autoFix": {
                "type": "boolean",
                "default": False,
                "description": "Where the model lacks the resolution, take the nearest",
            },
            "useCache": {
                "type": "boolean",
                "default": False,
                "description": "If an equal earlier task has files, show them for 0 credits. Equal "
                f"tasks have a `{SEED}`, which these models take: {', '.join(seeded)}.",
            },
        },
        "oneOf": [ref(name) for name in names.values()],
        "discriminator": {
            "propertyName": "model",
            "mapping": {model: ref(name)["$ref"] for model, name in names.items()},
        },
        "examples": [
            order_example(next(model for model in catalog.models if model.kind is MediaKind.VIDEO))
        ],
    }
