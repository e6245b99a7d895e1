"""DOOR: what fal's clients say. A run is asked for below /fal/run, the queue below /fal/queue.

Python's client (fal-client) takes its hosts from the environment, and speaks https only:

    FAL_RUN_HOST=HOST/fal/run  FAL_QUEUE_RUN_HOST=HOST/fal/queue  FAL_KEY=kino_live_...

JavaScript's (@fal-ai/client, from 1.10) sends everything to one address, and the key with it:

    fal.config({credentials: KEY, proxyUrl: {url: "https://HOST/fal/proxy", when: "always"}})

Both send a request again whose answer was lost on the way. With a header `Idempotency-Key` (the
`headers` of submit and subscribe in both, and of run in Python's) that makes one task; without it
each submit makes one, as with fal itself, and of runs `left` tells.

Uploads of Python's client go to fal's own hosts, whatever the environment says, and take the key
along: `fal_client.encode_file` is the way instead.

https://docs.fal.ai/model-apis/model-endpoints/queue
"""
