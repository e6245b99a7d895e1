"""One order as programs that place it: cURL, Python and JavaScript, to copy."""

import json
import pprint
import shlex
from typing import Any

JS_INDENT = 2


def curl(order: dict[str, Any], public_url: str) -> str:
    """Return a command that creates a task."""
    body = shlex.quote(json.dumps(order, ensure_ascii=False, indent=2))
    return f"""curl {public_url}/api/v1/jobs/createTask \\
  -H "Authorization: Bearer $KINETOSCOPE_KEY" \\
  -H 'Content-Type: application/json' \\
  -d {body}"""


def python(order: dict[str, Any], public_url: str) -> str:
    """Return a script, without any package, that creates a task and waits for its files."""
    shown = pprint.pformat(order, sort_dicts=False, width=88)
    return f"""import json, os, time, urllib.request

def ask(path, body=None):
    request = urllib.request.Request("{public_url}/api/v1/jobs/" + path)
    request.add_header("Authorization", "Bearer " + os.environ["KINETOSCOPE_KEY"])
    request.add_header("Content-Type", "application/json")
    data = None if body is None else json.dumps(body).encode()
    return json.load(urllib.request.urlopen(request, data))

order = {shown}
task_id = ask("createTask", order)["taskId"]
while (task := ask("recordInfo?taskId=" + task_id))["status"] not in ("success", "fail"):
    time.sleep(3)
print(task["error"] or [file["url"] for file in task["output"]])"""


def javascript(order: dict[str, Any], public_url: str) -> str:
    """Return a module for Node 18 and later that does the same with `fetch`."""
    shown = json.dumps(order, ensure_ascii=False, indent=JS_INDENT)
    return f"""const ask = async (path, body) => {{
  const answer = await fetch("{public_url}/api/v1/jobs/" + path, {{
    method: body ? "POST" : "GET",
    headers: {{
      Authorization: `Bearer ${{process.env.KINETOSCOPE_KEY}}`,
      "Content-Type": "application/json",
    }},
    body: body && JSON.stringify(body),
  }});
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}};

const order = {shown};
const {{ taskId }} = await ask("createTask", order);
let task;
do {{
  await new Promise((resolve) => setTimeout(resolve, 3000));
  task = await ask("recordInfo?taskId=" + taskId);
}} while (task.status !== "success" && task.status !== "fail");
console.log(task.error ?? task.output.map((file) => file.url));"""
