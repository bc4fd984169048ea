// What the pages do in the browser. They work without it, only less comfortably.
//
//   data-shown-when="field=a|b;other=c"   shown while every field named has one of its values
//   data-copies="id"                      copies that element's text
//   data-toggles="id"                     opens and closes that element
//   data-confirms="sentence"              asks before the form is sent
//   data-live                             its htmx trigger "live" fires when something changed on the server
//   data-checks="name"                    checks or unchecks all boxes of that name
//   data-keeps                            a form that comes back as it was typed after the person confirmed who they are
//   data-suggests="field=a b"             inside: that field follows the choices made in the others while it is untouched
//   data-downloads="id"                   saves that element's text as the file named by data-file

"use strict";

const valueOf = (form, name) => {
  const field = form.elements[name];
  if (!field) return "";
  return field.type === "checkbox" ? (field.checked ? "on" : "") : field.value;
};

const applies = (form, condition) =>
  condition.split(";").every((part) => {
    const [name, values] = part.split("=");
    return values.split("|").includes(valueOf(form, name));
  });

const showWhatApplies = (form) => {
  for (const part of form.querySelectorAll("[data-shown-when]")) part.hidden = !applies(form, part.dataset.shownWhen);
};

const copyText = async (button) => {
  const source = document.getElementById(button.dataset.copies);
  const text = "value" in source ? source.value : source.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https there is no clipboard to write to: select it, so that Ctrl-C does.
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.execCommand("copy");
  }
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
};

const switchTheme = () => {
  const root = document.documentElement;
  const next = root.getAttribute("data-bs-theme") === "dark" ? "light" : "dark";
  root.setAttribute("data-bs-theme", next);
  root.setAttribute("data-theme-chosen", "");
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `postern-theme=${next}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
};

// One look at the server's news for the whole page; a burst of changes is one refresh.
const listenForNews = () => {
  const parts = () => document.querySelectorAll("[data-live]");
  if (parts().length === 0) return;
  let pending = null;
  const refresh = () => {
    pending = null;
    for (const part of parts()) part.dispatchEvent(new CustomEvent("live"));
  };
  const news = new EventSource("/events");
  // What changed after the page was made and before we listened, or while the connection was lost, was not told.
  news.addEventListener("open", () => { pending ??= setTimeout(refresh, 0); });
  news.addEventListener("change", () => { pending ??= setTimeout(refresh, 700); });
  addEventListener("pagehide", () => news.close());
};

const updateSelection = (form) => {
  const chosen = form.querySelectorAll("input[name=id]:checked").length;
  for (const part of form.querySelectorAll("[data-needs-selection]")) part.disabled = chosen === 0;
  for (const part of form.querySelectorAll("[data-selection-count]")) part.textContent = chosen ? `${chosen} selected` : "";
};

// What was typed survives the detour over the page that asks who one is; secrets do not, they are typed again.
const isSecret = (field) => field.type === "password" || field.name === "csrf" || field.name === "certificate" || /:\/\/[^/]*:[^/]*@/.test(field.value);
const keptUnder = (form) => `postern-form ${form.getAttribute("action")}`;

const keepForm = (form) => {
  const fields = [...form.elements].filter((field) => field.name && !isSecret(field) && field.type !== "submit");
  const values = fields.map((field) => [field.name, field.type === "checkbox" ? field.checked : field.value]);
  try { sessionStorage.setItem(keptUnder(form), JSON.stringify(values)); } catch { /* then it is typed again */ }
};

const restoreForm = (form) => {
  const kept = sessionStorage.getItem(keptUnder(form));
  sessionStorage.removeItem(keptUnder(form));
  if (!kept || !new URLSearchParams(location.search).getAll("done").includes("confirmed")) return;
  for (const [name, value] of JSON.parse(kept)) {
    const field = form.elements[name];
    // The version stays that of the page: what somebody else changed meanwhile is not overwritten unseen.
    if (!field || name === "version") continue;
    if (field.type === "checkbox") field.checked = value;
    else field.value = value;
  }
};

const chosenText = (field) => {
  if (!field) return "";
  if (field.tagName !== "SELECT") return field.value.trim();
  return field.value.startsWith("+") || field.value === "" ? "" : field.selectedOptions[0].textContent.trim();
};

// "Service – Tenant", as the server proposes it for a name left empty.
const suggest = (part) => {
  const [name, sources] = part.dataset.suggests.split("=");
  const field = part.querySelector(`[name="${name}"]`);
  const proposal = () => {
    const texts = sources.split(" ").map((source) => chosenText(part.querySelector(`[name="${source}"]:not([hidden] *)`)));
    return texts.filter(Boolean).join(" – ");
  };
  let last = field.value;
  let untouched = last === "" || last === proposal();
  const follow = () => {
    if (untouched || field.value === "") {
      last = proposal();
      field.value = last;
      untouched = true;
    }
  };
  field.addEventListener("input", () => { untouched = false; });
  part.addEventListener("input", (event) => { if (event.target !== field) follow(); });
  part.addEventListener("change", (event) => { if (event.target !== field) follow(); });
  follow();
};

const download = (button) => {
  const source = document.getElementById(button.dataset.downloads);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([source.textContent], { type: "text/plain" }));
  link.download = button.dataset.file;
  link.click();
  URL.revokeObjectURL(link.href);
};

document.addEventListener("click", (event) => {
  const file = event.target.closest("[data-downloads]");
  if (file) download(file);
  const toggle = event.target.closest("[data-toggles]");
  if (toggle) {
    const open = document.getElementById(toggle.dataset.toggles).classList.toggle("is-open");
    toggle.setAttribute("aria-expanded", String(open));
  }
  const copy = event.target.closest("[data-copies]");
  if (copy) copyText(copy);
  if (event.target.closest("[data-theme-switch]")) switchTheme();
});

document.addEventListener("change", (event) => {
  const all = event.target.closest("[data-checks]");
  const form = event.target.form;
  if (all && form) for (const box of form.querySelectorAll(`input[name="${all.dataset.checks}"]`)) box.checked = all.checked;
  if (form) {
    showWhatApplies(form);
    updateSelection(form);
  }
});

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirms ?? event.target.dataset.confirms;
  if (question && !confirm(question)) event.preventDefault();
  else if (event.target.matches("[data-keeps]")) keepForm(event.target);
});

document.addEventListener("htmx:config:request", (event) => {
  event.detail.ctx.request.headers["X-CSRF-Token"] = document.body.dataset.csrf;
});

document.addEventListener("htmx:after:swap", () => {
  for (const form of document.forms) updateSelection(form);
});

for (const form of document.forms) {
  if (form.matches("[data-keeps]")) restoreForm(form);
  showWhatApplies(form);
  updateSelection(form);
}
for (const part of document.querySelectorAll("[data-suggests]")) suggest(part);
const wrong = document.querySelector("[data-focus-field]");
if (wrong) document.getElementById(wrong.dataset.focusField)?.focus();
else document.querySelector("[data-focus]")?.focus();
listenForNews();
