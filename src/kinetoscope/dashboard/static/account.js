// Keys, members, settings: what dialogs hold, and what is shown once and not again by a reload.
"use strict";

// A dialog hides the note that something was copied, so the button says it.
addEventListener("click", (event) => {
  const button = event.target.closest(".secret [data-copy]");
  if (button) button.lastChild.textContent = "Copied";
});

// What is wrong is where the cursor goes.
addEventListener("htmx:after:swap", () =>
  document.querySelector("dialog[open] [aria-invalid]")?.focus());

// A form that was filled in wrongly comes back open.
document.querySelector("dialog[data-open]")?.showModal();

const issued = document.querySelector("main [data-settle]");
if (issued) history.replaceState(null, "", issued.dataset.settle);

// A delete button waits for the name; without scripts the server looks at it alone.
document.querySelectorAll("[data-confirmed]").forEach((button) => { button.disabled = true; });
