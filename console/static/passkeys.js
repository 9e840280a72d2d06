// Forms that a passkey fills in. Without scripts, or where the browser has no passkeys, they stay hidden.
//
//   <form data-passkey="get|create" data-options="JSON" data-holds="SECONDS" hidden> … <input type="hidden" name="answer">
"use strict";

(() => {
  const opened = performance.now();

  const toBytes = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  };

  const toText = (buffer) => {
    const plain = String.fromCharCode(...new Uint8Array(buffer));
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  const withBytes = (listed) => (listed || []).map((one) => ({ ...one, id: toBytes(one.id) }));

  const asked = (text) => {
    const options = JSON.parse(text);
    options.challenge = toBytes(options.challenge);
    if (options.user) {
      options.user.id = toBytes(options.user.id);
      options.excludeCredentials = withBytes(options.excludeCredentials);
    } else {
      options.allowCredentials = withBytes(options.allowCredentials);
    }
    return options;
  };

  const answered = (credential) => {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature"]) {
      if (credential.response[name]) response[name] = toText(credential.response[name]);
    }
    return JSON.stringify({ id: credential.id, rawId: toText(credential.rawId), type: credential.type, response });
  };

  const fill = async (form) => {
    const failed = form.querySelector("[data-failed]");
    failed.hidden = true;
    const publicKey = asked(form.dataset.options);
    try {
      const credential = await (form.dataset.passkey === "create"
        ? navigator.credentials.create({ publicKey })
        : navigator.credentials.get({ publicKey }));
      form.elements.answer.value = answered(credential);
    } catch {
      failed.hidden = false;
      return;
    }
    form.submit();
  };

  if (!window.PublicKeyCredential || !navigator.credentials) return;
  for (const note of document.querySelectorAll("[data-without-passkeys]")) note.hidden = true;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const late = performance.now() - opened > (Number(form.dataset.holds) - 30) * 1000;
      if (late && form.dataset.passkey === "get") location.reload(); // the question is too old
      else fill(form);
    });
  }
})();
