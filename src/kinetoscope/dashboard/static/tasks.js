// Lists of tasks: addresses without empty filters, and quiet when the server is away for a moment.
"use strict";

addEventListener("formdata", (event) => {
  if (!event.target.hasAttribute("data-auto")) return;
  for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
});

// What asks every two seconds does not complain every two seconds.
addEventListener(
  "htmx:error",
  (event) => event.target.closest?.("[data-live]") && event.stopImmediatePropagation(),
  true,
);
