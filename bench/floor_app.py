"""The floor under recordInfo: a FastAPI route that returns the same document and does no more."""

from fastapi import FastAPI

DOCUMENT = {
    "taskId": "task_fbyiug4f52kr6gcrbrh0ghvs",
    "model": "seedance-20",
    "status": "success",
    "creditsUsed": 200,
    "output": [
        {
            "url": "http://127.0.0.1:8000/media/qt25zw0t172u6mrii1h0fuqszx-1.mp4"
            "?expires=1796651438&signature=a-ISAJFnKzCud8m-HcqX0LMgQDmHSgoF",
            "mediaType": "video/mp4",
            "seed": 1313150473,
            "width": 1280,
            "height": 720,
            "duration": 5.0,
            "lastFrameImage": "http://127.0.0.1:8000/media/qt25zw0t172u6mrii1h0fuqszx-1-last.png"
            "?expires=1796651438&signature=7wuIP08pw1XDXceqxuTgINDAt-ph8eqN",
        }
    ],
    "error": None,
    "createTime": 1795441834649,
    "completeTime": 1795441838384,
    "progress": 100,
    "preview": True,
    "expiresAt": 1796651438384,
}

app = FastAPI()


@app.get("/document")
async def document(taskId: str) -> dict[str, object]:  # noqa: N803 - the contract's spelling
    return {**DOCUMENT, "taskId": taskId}
