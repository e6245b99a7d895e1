// What every page can do: copy, tell the time, say what happened, and go anywhere by keyboard.
"use strict";

const toast = (category, title) =>
  document.getElementById("toaster")?.toast?.({ category, title });

addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = button.dataset.copyFrom && document.querySelector(button.dataset.copyFrom);
  try {
    await navigator.clipboard.writeText(source ? source.textContent : button.dataset.copy);
    toast("success", "Copied");
  } catch {
    toast("error", "The browser did not let us copy this");
  }
});

// Times say how long ago they are, and go on being right.
const spans = [[60, "s", 1], [3600, "min", 60], [86400, "h", 3600], [2592000, "d", 86400]];
const tell = (time) => {
  const seconds = Math.round((new Date(time.dateTime) - Date.now()) / 1000);
  const distance = Math.abs(seconds);
  const span = spans.find(([below]) => distance < below);
  if (!span) return;
  const text = `${Math.floor(distance / span[2])} ${span[1]}`;
  time.textContent = distance < 5 ? "just now" : seconds > 0 ? `in ${text}` : `${text} ago`;
};
setInterval(() => document.querySelectorAll("time[data-moment]").forEach(tell), 10000);

// The palette: everything that can be gone to, found by typing.
const palette = document.getElementById("palette");
const openPalette = async () => {
  if (!palette || palette.open) return;
  if (!palette.firstElementChild) {
    const answer = await fetch(palette.dataset.src, { headers: { "HX-Request": "true" } });
    palette.innerHTML = await answer.text();
  }
  palette.showModal();
  palette.querySelector("input")?.focus();
};
palette?.addEventListener("click", (event) => event.target === palette && palette.close());
addEventListener("click", (event) => event.target.closest("[data-palette]") && openPalette());

// `g` and a letter leads to a page.
let jumping = 0;
addEventListener("keydown", (event) => {
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  const isTyping = event.target.closest?.("input, textarea, select, [contenteditable], dialog");
  if (isTyping || event.metaKey || event.ctrlKey || event.altKey) return;
  if (event.key === "g" && Date.now() - jumping > 1500) {
    jumping = Date.now();
    return;
  }
  if (Date.now() - jumping < 1500) {
    jumping = 0;
    document.querySelector(`[data-jump="${CSS.escape(event.key)}"]`)?.click();
  }
});

// In a long sidebar the present place is in sight.
// (Not by scrollIntoView, from which the next Tab would go on.)
const present = document.querySelector(".nav-groups [aria-current]");
if (present) {
  const list = present.closest(".nav-groups");
  const below = present.getBoundingClientRect().bottom - list.getBoundingClientRect().bottom;
  if (below > 0) list.scrollTop += below + 8;
}

// Dialogs that a button opens: <button data-dialog="#id">, or a link to the same on a page of its
// own, which a new tab is for; [data-close] within one closes it.
addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  const isElsewhere = opener?.href && (event.metaKey || event.ctrlKey || event.shiftKey);
  const dialog = opener && !isElsewhere && document.querySelector(opener.dataset.dialog);
  if (dialog) {
    event.preventDefault();
    dialog.showModal();
  }
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
  if (event.target.matches("dialog.dialog")) event.target.close();
});

// A delete button that needs a word typed: <input data-confirm="word"> frees its form's button.
addEventListener("input", (event) => {
  const word = event.target.dataset?.confirm;
  if (word === undefined) return;
  event.target.form.querySelector("[data-confirmed]").disabled = event.target.value !== word;
});

// A form says which account it was shown for: in another tab somebody may act for another by now.
const account = document.querySelector('meta[name="account"]')?.content;
addEventListener("formdata", (event) => {
  const method = event.target.getAttribute("method") || "get";
  if (account && method.toLowerCase() === "post") event.formData.set("_account", account);
});

// What cannot be taken back is asked for twice: <button data-sure="Really?">.
addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.sure;
  if (question && !confirm(question)) event.preventDefault();
});

// A filter that is chosen is applied, and an empty one is not in the address: <form data-auto>.
addEventListener("formdata", (event) => {
  if (!event.target.hasAttribute("data-auto")) return;
  for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
});
addEventListener("change", (event) => {
  if (event.target.form?.hasAttribute("data-auto")) event.target.form.requestSubmit();
});

// What a server that is away did not do. What asks every second does not complain every second.
addEventListener("htmx:error", (event) => {
  const isPolling = event.target.getAttribute?.("hx-trigger")?.includes("every");
  if (!isPolling && event.detail?.ctx?.response === undefined) {
    toast("error", "The server did not answer. Try again.");
  }
});
