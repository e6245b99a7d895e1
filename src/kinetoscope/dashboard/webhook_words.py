"""What the webhooks page says: the states' names, the overlaps, and code that verifies."""

from markupsafe import Markup

from kinetoscope.dashboard.snippets import block

STATES = {
    "pending": "Pending",
    "delivered": "Delivered",
    "failed": "Failed",
    "disabled": "Refused for good",
}

EVENTS = {
    "task.started": "Task started",
    "task.progress": "Task progressed",
    "task.succeeded": "Task succeeded",
    "task.failed": "Task failed",
    "webhook.test": "Test",
}

OVERLAPS = {
    "24": "For a day: receivers have time to change over",
    "72": "For three days",
    "168": "For a week",
    "0": "Not at all: it has become known, end it now",
}
"""How long the secret before goes on counting, in hours."""

PYTHON = """\
# pip install standardwebhooks
import os

from standardwebhooks import Webhook, WebhookVerificationError

# The secret begins with whsec_
webhook = Webhook(os.environ["KINETOSCOPE_WEBHOOK_SECRET"])

def receive(body: bytes, headers: dict[str, str]) -> int:
    try:
        event = webhook.verify(body, headers)
    except WebhookVerificationError:
        return 400
    handle_once(headers["webhook-id"], event["data"])
    return 200
"""

JAVASCRIPT = """\
// npm install standardwebhooks express
import express from "express";
import { Webhook } from "standardwebhooks";

// The secret begins with whsec_
const webhook = new Webhook(process.env.KINETOSCOPE_WEBHOOK_SECRET);

express()
  .post("/hook", express.raw({ type: "*/*" }), (request, response) => {
    let event;
    try {
      event = webhook.verify(request.body.toString(), request.headers);
    } catch {
      return response.sendStatus(400);
    }
    handleOnce(request.headers["webhook-id"], event.data);
    response.sendStatus(200);
  })
  .listen(3000);
"""


def snippets() -> list[tuple[str, Markup]]:
    """Return code that verifies a delivery, by language."""
    return [("Python", block(PYTHON, "python")), ("JavaScript", block(JAVASCRIPT, "js"))]
