// Passkeys: a challenge from the server, its answer by the device, and back as a form.
"use strict";

(() => {
  const isKnown = Boolean(window.PublicKeyCredential?.parseRequestOptionsFromJSON);
  const unknown = "This browser does not offer passkeys here.";

  const send = (path, fields) =>
    fetch(path, {
      method: "POST",
      headers: { "HX-Request": "true", Accept: "text/html, application/json" },
      body: new URLSearchParams(fields),
    });

  // What the server says in a note is told where the person looks.
  const required = async (answer) => {
    if (answer.ok) return answer;
    const note = new DOMParser().parseFromString(await answer.text(), "text/html");
    const text = note.querySelector("h2")?.textContent ?? note.querySelector("p")?.textContent;
    throw new Error(text ?? "The server did not take this. Try again.");
  };

  const attempt = async (note, button, steps) => {
    note.hidden = true;
    button.disabled = true;
    try {
      if (!isKnown) throw new Error(unknown);
      const answer = await required(await steps());
      location.assign(answer.headers.get("HX-Redirect"));
      return;
    } catch (error) {
      const isBrowsers = error instanceof DOMException;
      note.textContent = isBrowsers ? "No passkey was used. Try again." : error.message;
      note.hidden = false;
    }
    button.disabled = false;
  };

  addEventListener("click", (event) => {
    const button = event.target.closest("[data-passkey-sign-in]");
    if (!button) return;
    attempt(button.parentElement.querySelector(".ways-error"), button, async () => {
      const asked = await required(await send("/sign-in/passkey/challenge", {}));
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(await asked.json());
      const answer = JSON.stringify(await navigator.credentials.get({ publicKey }));
      return send("/sign-in/passkey", { answer, next: button.dataset.next });
    });
  });

  addEventListener("submit", (event) => {
    const form = event.target.closest("[data-passkey-add]");
    if (!form) return;
    event.preventDefault();
    const filled = Object.fromEntries(new FormData(form));
    attempt(form.querySelector(".ways-error"), form.querySelector("button"), async () => {
      const asked = await required(await send("/settings/passkeys/challenge", filled));
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(await asked.json());
      const answer = JSON.stringify(await navigator.credentials.create({ publicKey }));
      return send("/settings/passkeys", { passkey_name: filled.passkey_name, answer });
    });
  });
})();
