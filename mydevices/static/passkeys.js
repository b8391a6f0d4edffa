/* Passkeys: between a form, the browser's credentials and back. The form names its options by the id of a JSON block, or by
   an address to fetch them from. */
"use strict";
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const listed = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

  const create = async ({ publicKey }) => {
    const made = await navigator.credentials.create({
      publicKey: {
        ...publicKey,
        challenge: bytes(publicKey.challenge),
        user: { ...publicKey.user, id: bytes(publicKey.user.id) },
        excludeCredentials: listed(publicKey.excludeCredentials),
      },
    });
    return whole(made, {
      attestationObject: text(made.response.attestationObject),
      transports: made.response.getTransports?.() ?? [],
    });
  };
  const get = async ({ publicKey }) => {
    const given = await navigator.credentials.get({
      publicKey: {
        ...publicKey,
        challenge: bytes(publicKey.challenge),
        allowCredentials: listed(publicKey.allowCredentials),
      },
    });
    const { authenticatorData, signature, userHandle } = given.response;
    return whole(given, {
      authenticatorData: text(authenticatorData),
      signature: text(signature),
      userHandle: userHandle ? text(userHandle) : null,
    });
  };
  const whole = (credential, response) => ({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: { clientDataJSON: text(credential.response.clientDataJSON), ...response },
  });

  const options = async (form) => {
    if (form.dataset.options) return JSON.parse(document.getElementById(form.dataset.options).textContent);
    const answer = await fetch(form.action, {
      headers: { Accept: "application/json", "X-Requested-With": "XMLHttpRequest" },
      credentials: "same-origin",
    });
    if (!answer.ok) throw new Error(answer.statusText);
    return (await answer.json()).request_options;
  };
  const say = (form, sentence) => {
    const place = form.querySelector("[data-say]");
    place.querySelector("span").textContent = sentence;
    place.hidden = false;
  };

  for (const form of document.querySelectorAll("[data-passkey]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!window.PublicKeyCredential) return say(form, form.dataset.unable);
      const button = event.submitter;
      button?.setAttribute("aria-busy", "true");
      try {
        const ceremony = form.dataset.passkey === "create" ? create : get;
        form.elements.credential.value = JSON.stringify(await ceremony(await options(form)));
        form.submit();
      } catch {
        say(form, form.dataset.refused);
      } finally {
        button?.removeAttribute("aria-busy");
      }
    });
  }
})();
