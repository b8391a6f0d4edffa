/* What makes the pages pleasanter where scripts run. Every page works without it. */
"use strict";
(() => {
  const language = document.documentElement.lang || "en";
  const labels = document.body.dataset;

  /* Times are written by the server; here they stay true while the page is open, and in the reader's own time zone. */
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) {
    const secure = location.protocol === "https:";
    const name = secure ? "__Host-zone" : "zone";
    const rest = `Path=/; Max-Age=31536000; SameSite=Lax${secure ? "; Secure" : ""}`;
    document.cookie = `${name}=${encodeURIComponent(zone)}; ${rest}`;
  }
  const relative = new Intl.RelativeTimeFormat(`${language}-u-nu-latn`, { numeric: "always" }); // the server's digits
  const ago = (seconds) => {
    for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
      if (seconds >= size) return relative.format(-Math.floor(seconds / size), unit);
    }
    return relative.format(-Math.max(0, Math.floor(seconds)), "second");
  };
  const write = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };
  const tick = () => {
    const now = Date.now();
    for (const element of document.querySelectorAll("time[data-ago]")) {
      write(element, ago((now - Date.parse(element.dateTime)) / 1000));
    }
    for (const element of document.querySelectorAll("[data-until]")) {
      const left = Math.max(0, Math.ceil((Date.parse(element.dataset.until) - now) / 1000));
      if (element instanceof SVGCircleElement) {
        element.setAttribute("stroke-dasharray", `${Math.min(left, element.dataset.of)} ${element.dataset.of}`);
      } else {
        write(element, element.dataset.bare === undefined && left > 99 ? minutes(left) : String(left));
      }
    }
  };
  const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  setInterval(tick, 1000);
  document.addEventListener("htmx:after:swap", tick);

  /* Polling rests while nobody looks, and a session that has ended shows the sign-in page instead of an old state. */
  document.addEventListener("htmx:before:request", (event) => {
    if (document.hidden) event.preventDefault();
  });
  let leaving = false;
  addEventListener("beforeunload", () => { leaving = true; });
  addEventListener("pageshow", () => { leaving = false; });
  document.addEventListener("htmx:before:response", (event) => {
    const { response } = event.detail.ctx;
    if (leaving) event.preventDefault(); // a reload would stop what the reader has just sent
    else if (response.raw.redirected || response.status === 401 || response.status === 404) {
      event.preventDefault();
      location.reload();
    }
  });

  /* What a session shows doesn't outlast it. Opening a page, in whichever tab, has the session go on. When nobody has for
     as long as the rules say, or when somebody has signed out in another tab, this page is asked for anew: the server
     answers with the sign-in, or the browser says that there is no server. */
  const lasts = Number(labels.lasts) * 1000;
  const channel = new BroadcastChannel("session");
  const began = Date.now();
  const noteOpened = () => {
    try { localStorage.setItem("opened", Date.now()); } catch { /* a browser that keeps nothing has this tab's time */ }
  };
  const opened = () => {
    let known = 0;
    try { known = Number(localStorage.getItem("opened")); } catch { /* the same */ }
    return known > began && known <= Date.now() ? known : began;
  };
  const anew = () => location.replace(location.pathname + location.search);
  if (lasts) {
    noteOpened();
    channel.addEventListener("message", anew);
    setInterval(() => { if (Date.now() - opened() > lasts + 1000) anew(); }, 1000);
  } else {
    channel.postMessage("over");
  }

  /* Questions are pages; here they open over the page that asked. */
  const asDialog = { headers: { "X-Dialog": "1" }, credentials: "same-origin" };
  const open = async (link) => {
    link.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(link.href, asDialog);
      noteOpened();
      const go = response.headers.get("X-Go"); // to a proof of identity first, or to the reason why not
      if (go) return location.assign(go);
      if (!response.headers.has("X-Dialog")) throw new Error(response.statusText);
      show(await response.text(), link);
    } catch {
      location.assign(link.href);
    } finally {
      link.removeAttribute("aria-busy");
    }
  };
  const show = (html, opener) => {
    const dialog = document.createElement("dialog");
    dialog.setAttribute("aria-labelledby", "dialog-title");
    fill(dialog, html);
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (opener.isConnected) opener.focus();
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog || event.target.closest("[data-close]")) {
        event.preventDefault();
        dialog.close();
      }
    });
    dialog.addEventListener("submit", (event) => {
      event.preventDefault();
      send(dialog, event.target, event.submitter);
    });
    document.body.append(dialog);
    dialog.showModal();
  };
  const fill = (dialog, html) => {
    const chosen = [...dialog.querySelectorAll("input[type=file]")].map(({ id, files }) => [id, files]);
    dialog.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
    for (const [id, files] of chosen) {
      const field = document.getElementById(id);
      if (field && field.ariaInvalid !== "true") field.files = files; // what was wrong is chosen anew
    }
    guard(dialog);
    unveil(dialog);
  };
  /* What works by script alone is hidden until there is one. */
  const unveil = (root) => {
    for (const element of root.querySelectorAll("[data-script]")) {
      element.hidden = element.dataset.copy !== undefined && !navigator.clipboard;
    }
  };
  const send = async (dialog, form, submitter) => {
    submitter?.setAttribute("aria-busy", "true");
    if (submitter) submitter.disabled = true;
    try {
      const data = new FormData(form);
      const body = form.enctype === "multipart/form-data" ? data : new URLSearchParams(data);
      const response = await fetch(form.action, { ...asDialog, method: "POST", body });
      const go = response.headers.get("X-Go");
      if (go) return location.assign(go);
      if (response.redirected) return location.assign(response.url);
      if (!response.headers.has("X-Dialog")) throw new Error(response.statusText);
      fill(dialog, await response.text());
      dialog.querySelector("[aria-invalid=true], [autofocus]")?.focus();
    } catch {
      form.submit(); // the page of its own says what is wrong
    }
  };

  /* The red button wakes up when the name has been typed. The server checks it all the same. */
  const guard = (root) => {
    for (const field of root.querySelectorAll("[data-typed]")) {
      const button = field.form?.querySelector(".kill");
      const plain = (text) => text.trim().replace(/[’‘]/g, "'").toLowerCase();
      const check = () => button?.toggleAttribute("disabled", plain(field.value) !== plain(field.dataset.typed));
      field.addEventListener("input", check);
      check();
    }
  };
  guard(document);

  /* A file that is too large is not sent first. */
  document.addEventListener("change", ({ target }) => {
    if (!target.dataset?.largest) return;
    const isTooLarge = target.files[0]?.size > Number(target.dataset.largest);
    target.setCustomValidity(isTooLarge ? target.dataset.tooLarge : "");
    if (isTooLarge) target.reportValidity();
  });

  /* How hard a new password is to guess. The server judges, here as when it is sent, and keeps nothing. */
  const asked = new WeakMap();
  document.addEventListener("input", ({ target }) => {
    const { form } = target;
    for (const meter of form?.querySelectorAll("[data-strength]") ?? []) {
      clearTimeout(asked.get(meter));
      asked.set(meter, setTimeout(() => judge(meter, form), 500)); // so that a screen reader is not told each letter
    }
  });
  const judge = async (meter, form) => {
    const body = new URLSearchParams({ password: form.elements[meter.dataset.of].value });
    for (const name of ["csrfmiddlewaretoken", "name", "email"]) {
      if (form.elements[name]) body.set(name, form.elements[name].value);
    }
    const response = await fetch(meter.dataset.strength, { method: "POST", body, credentials: "same-origin" });
    if (!response.ok || response.redirected) return;
    meter.replaceChildren(...new DOMParser().parseFromString(await response.text(), "text/html").body.childNodes);
  };

  document.addEventListener("click", (event) => {
    const { target } = event;
    for (const menu of document.querySelectorAll(".menu[open]")) {
      if (!menu.contains(target) || target.closest(".menu > div a, .menu > div button")) menu.open = false;
    }
    const link = target.closest("a[data-dialog]");
    if (link && event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      open(link);
    }
    const copy = target.closest("[data-copy]");
    if (copy) navigator.clipboard?.writeText(copy.dataset.copy).then(() => toast(labels.copied));
    target.closest(".toast [data-dismiss]")?.closest(".toast").remove();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll(".menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!event.defaultPrevented && button) setTimeout(() => { button.disabled = true; });
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload(); // a page from the back button may show what has changed since
  });

  const toasts = document.querySelector(".toasts");
  const fade = (element) => setTimeout(() => {
    if (element.matches(":hover, :focus-within")) fade(element);
    else element.remove();
  }, 10000);
  const toast = (text) => {
    const element = document.createElement("p");
    element.className = "toast";
    element.textContent = text;
    toasts.append(element);
    fade(element);
  };
  for (const element of document.querySelectorAll(".toast")) fade(element);
  unveil(document);
  tick();
})();
