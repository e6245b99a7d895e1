// The studio: references by drag and drop, mentions, and a price that follows what is filled in.
"use strict";
(() => {
  const form = document.getElementById("studio");
  const pricer = document.getElementById("pricer");
  const prompt = form.querySelector("[data-prompt]");
  const mentions = document.getElementById("mentions");

  // The price is asked for a moment after the last change.
  let waiting;
  const changed = (delay = 250) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => pricer.dispatchEvent(new Event("studio:changed")), delay);
  };
  form.addEventListener("input", (event) => {
    const shown = form.querySelector(`output[data-of="${event.target.id}"]`);
    if (shown) {
      const unit = event.target.dataset.unit;
      shown.textContent = event.target.value + (unit ? ` ${unit}` : "");
    }
    changed();
  });
  form.addEventListener("change", () => changed(50));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) form.requestSubmit();
  });

  // References: chips with a picture, a name to mention them by, and a hidden field each.
  const fields = [...form.querySelectorAll(".media-field")];
  const kindOf = (field) => field.dataset.media;
  const chips = (field) => [...field.querySelectorAll(".chip")];
  const local = (url) => (url.startsWith(location.origin) ? url.slice(location.origin.length) : url);

  const number = () => {
    for (const field of fields) {
      const all = chips(field);
      all.forEach((chip, index) => {
        chip.querySelector(".mention").textContent = `@${kindOf(field)}${index + 1}`;
      });
      field.classList.toggle("full", all.length >= Number(field.dataset.max));
    }
  };
  const picture = (kind, url) => {
    let shown;
    if (kind === "audio") {
      shown = document.createElement("span");
      shown.className = "sound";
      shown.textContent = "♪";
    } else {
      shown = document.createElement(kind === "image" ? "img" : "video");
      if (kind === "image") shown.alt = "";
      else shown.muted = true;
      // Only what lies here may be shown here; the rest is known by its address alone.
      if (url.startsWith("blob:") || local(url).startsWith("/")) shown.src = local(url);
    }
    return shown;
  };
  const add = (field, url, preview) => {
    const kind = kindOf(field);
    if (chips(field).length >= Number(field.dataset.max)) {
      toast("error", `No more than ${field.dataset.max} here`);
      return null;
    }
    const chip = document.createElement("li");
    chip.className = "chip";
    chip.title = url;
    const hidden = document.createElement("input");
    hidden.type = "hidden";
    hidden.name = field.dataset.name;
    hidden.value = url;
    hidden.disabled = !url;
    const name = document.createElement("button");
    name.type = "button";
    name.className = "mention";
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "drop-it";
    remove.textContent = "×";
    remove.setAttribute("aria-label", "Remove");
    remove.addEventListener("click", () => {
      chip.remove();
      number();
      changed(0);
    });
    name.addEventListener("click", () => mention(name.textContent));
    chip.append(picture(kind, preview || url), name, hidden, remove);
    field.querySelector(".chips").append(chip);
    number();
    if (url) changed(0);
    return chip;
  };

  const upload = async (field, file) => {
    const chip = add(field, "", URL.createObjectURL(file));
    if (!chip) return;
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.setAttribute("aria-label", "Upload");
    chip.append(bar);
    try {
      const answer = await fetch("/studio/uploads", {
        method: "POST",
        body: new URLSearchParams({ fileName: file.name }),
      });
      const place = await answer.json();
      if (!answer.ok) throw new Error(place.message);
      const kept = await put(place, file, (share) => (bar.value = share));
      const hidden = chip.querySelector("input");
      hidden.value = kept.url;
      hidden.disabled = false;
      bar.remove();
      changed(0);
    } catch (error) {
      chip.remove();
      number();
      toast("error", `${file.name}: ${error.message}`);
    }
  };
  // fetch() tells nothing of how far an upload is.
  const put = (place, file, progress) =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("PUT", place.uploadUrl);
      request.setRequestHeader("Content-Type", place.contentType);
      request.upload.addEventListener("progress", (event) => progress(event.loaded / event.total));
      request.addEventListener("load", () => {
        const said = JSON.parse(request.responseText || "{}");
        if (request.status === 200) resolve({ ...place, ...said });
        else reject(new Error(said.errors?.[0]?.message || said.message || "was not taken"));
      });
      request.addEventListener("error", () => reject(new Error("the connection broke")));
      request.send(file);
    });
  const take = (field, files) => {
    for (const file of files) {
      const kind = file.type.split("/")[0];
      const fitting = kindOf(field) === kind ? field : fields.find((each) => kindOf(each) === kind);
      if (fitting) upload(fitting, file);
      else toast("error", `${file.name} is nothing that this model takes`);
    }
  };

  for (const field of fields) {
    for (const item of field.querySelectorAll("li[data-url]")) {
      item.remove();
      add(field, item.dataset.url);
    }
    field.querySelector("input[type=file]").addEventListener("change", (event) => {
      take(field, event.target.files);
      event.target.value = "";
    });
    const address = field.querySelector(".address");
    field.querySelector("[data-paste]").addEventListener("click", () => {
      address.hidden = !address.hidden;
      if (!address.hidden) address.querySelector("input").focus();
    });
    const accept = () => {
      const input = address.querySelector("input");
      if (!input.value.trim() || !input.reportValidity()) return;
      add(field, input.value.trim());
      input.value = "";
      address.hidden = true;
    };
    address.querySelector("[data-add]").addEventListener("click", accept);
    address.querySelector("input").addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      accept();
    });
  }
  for (const type of ["dragenter", "dragover"]) {
    form.addEventListener(type, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      (event.target.closest(".media-field") || fields[0])?.classList.add("over");
    });
  }
  for (const type of ["dragleave", "drop"]) {
    form.addEventListener(type, () => fields.forEach((field) => field.classList.remove("over")));
  }
  form.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length || !fields.length) return;
    event.preventDefault();
    take(event.target.closest?.(".media-field") || fields[0], event.dataTransfer.files);
  });

  // Mentions: `@` offers what is there; a click puts its name into the prompt.
  const mention = (name) => {
    const at = prompt.selectionStart ?? prompt.value.length;
    const before = prompt.value.slice(0, at).replace(/@[a-z0-9]*$/, "");
    const space = before && !/\s$/.test(before) ? " " : "";
    prompt.value = `${before}${space}${name} ${prompt.value.slice(at)}`;
    prompt.focus();
    mentions.hidden = true;
    changed();
  };
  prompt?.addEventListener("input", () => {
    const typed = prompt.value.slice(0, prompt.selectionStart).match(/@([a-z0-9]*)$/);
    const names = fields.flatMap((field) =>
      chips(field).map((chip) => chip.querySelector(".mention").textContent),
    );
    const fitting = typed ? names.filter((name) => name.startsWith(`@${typed[1]}`)) : [];
    mentions.replaceChildren(
      ...fitting.map((name) => {
        const item = document.createElement("li");
        item.setAttribute("role", "presentation");
        const button = document.createElement("button");
        button.type = "button";
        button.setAttribute("role", "option");
        button.textContent = name;
        button.addEventListener("click", () => mention(name));
        item.append(button);
        return item;
      }),
    );
    mentions.hidden = fitting.length === 0;
  });

  // What a result can be used for, and the small things.
  document.addEventListener("click", (event) => {
    const example = event.target.closest("[data-example]");
    if (example) {
      prompt.value = example.dataset.example;
      prompt.focus();
      changed(0);
    }
    const use = event.target.closest("[data-use]");
    if (use) {
      const field = fields.find((each) => kindOf(each) === use.dataset.use);
      if (!field) toast("error", `This model takes no ${use.dataset.use}`);
      else if (add(field, use.dataset.url)) {
        field.scrollIntoView({ block: "center" });
        toast("success", "Added to the form");
      }
    }
    const dice = event.target.closest("[data-dice]");
    if (dice) {
      const drawn = crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;
      const input = document.getElementById(dice.dataset.dice);
      input.value = Math.min(drawn, Number(input.max) || drawn);
      changed(0);
    }
    if (event.target.closest("[data-share]")) share();
    const model = event.target.closest("[data-model]");
    if (model) {
      // What is filled in goes along to the other model.
      event.preventDefault();
      const query = filled();
      query.set("model", new URL(model.href).searchParams.get("model"));
      location.assign(`/studio?${query}`);
    }
  });
  const filled = () => {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (name !== "once" && !name.startsWith("_") && value !== "") query.append(name, value);
    }
    return query;
  };
  const share = async () => {
    try {
      await navigator.clipboard.writeText(`${location.origin}/studio?${filled()}`);
      toast("success", "A link to these settings is copied");
    } catch {
      toast("error", "The browser did not let us copy this");
    }
  };
  document.querySelector("[data-filter]")?.addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const link of document.querySelectorAll(event.target.dataset.filter)) {
      link.closest("li").hidden = !link.textContent.toLowerCase().includes(wanted);
    }
  });
  // What has just begun is brought into sight, and the price told anew once the balance is another.
  const runs = document.getElementById("runs");
  new MutationObserver(() => {
    runs.firstElementChild?.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }).observe(runs, { childList: true });
  const balance = document.getElementById("balance");
  let told = balance?.textContent;
  new MutationObserver(() => {
    if (balance.textContent.trim() === told?.trim()) return;
    told = balance.textContent;
    changed();
  }).observe(balance, { childList: true, subtree: true, characterData: true });

  const rivals = form.querySelector(".rivals");
  const limit = () => {
    const boxes = [...rivals.querySelectorAll("input")];
    const full = boxes.filter((box) => box.checked).length >= Number(rivals.dataset.limit);
    boxes.forEach((box) => (box.disabled = full && !box.checked));
  };
  rivals?.addEventListener("change", limit);
  if (rivals) limit();
})();
