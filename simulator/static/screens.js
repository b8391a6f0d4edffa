"use strict";
// Keeps the cards fresh, and sends the forms without leaving the page. Everything works without it, more slowly.

const cards = document.getElementById("cards");
let tag = "";

function replace(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").body;
  const same = (list) => [...list].map((item) => item.id).join();
  if (same(cards.children) !== same(fresh.children)) {
    if (!cards.contains(document.activeElement) || document.activeElement.value === "") {
      cards.replaceChildren(...fresh.children);
      return true;
    }
    return false;
  }
  let all = true;
  for (const card of [...fresh.children]) {
    const old = document.getElementById(card.id);
    if (!old || old.outerHTML === card.outerHTML) continue;
    const typing = old.contains(document.activeElement) && document.activeElement.matches("input");
    if (typing && old.dataset.screen === card.dataset.screen && document.activeElement.value !== "") {
      all = false; // somebody is typing here: later
      continue;
    }
    const focused = old.contains(document.activeElement) ? document.activeElement.closest("form") : null;
    old.replaceWith(card);
    if (focused) card.querySelector(`form[action="${focused.getAttribute("action")}"] :is(input, button)`)?.focus();
  }
  return all;
}

async function look() {
  try {
    const answer = await fetch("/cards", { cache: "no-store", headers: tag ? { "If-None-Match": tag } : {} });
    if (answer.status === 200 && replace(await answer.text())) tag = answer.headers.get("ETag") || "";
    document.body.classList.toggle("gone", !answer.ok && answer.status !== 304);
  } catch {
    document.body.classList.add("gone");
  }
}

async function send(event) {
  const form = event.target;
  event.preventDefault();
  const output = form.querySelector("output");
  const button = form.querySelector("button");
  output.textContent = "";
  button.disabled = true;
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
    });
    const said = await answer.json();
    if (answer.ok) {
      form.reset();
      if ("closes" in form.dataset) form.closest("details").open = false;
    } else {
      output.textContent = said.error;
    }
  } catch {
    output.textContent = "The simulator does not answer.";
  }
  button.disabled = false;
  if (output.textContent === "") await look();
}

document.addEventListener("submit", send);
(async () => {
  for (;;) {
    if (!document.hidden) await look();
    await new Promise((done) => setTimeout(done, 400));
  }
})();
