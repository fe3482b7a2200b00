// A number opens its origin: what it is, the code and the command, the claims, the records with the values per image.
"use strict";
document.documentElement.classList.add("script");

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const make = (name, text = "", attributes = {}) => {
  const element = document.createElement(name);
  element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

{
  const origins = read("origins");
  const images = read("images");
  const dialog = document.getElementById("origin");
  const body = document.getElementById("origin-body");

  const line = (list, name, ...content) => {
    const value = make("dd");
    value.append(...content);
    list.append(make("dt", name), value);
  };

  const perImage = (record, metric) => {
    const column = images.metrics.indexOf(metric);
    const rows = Object.entries(images.records[record] || {});
    if (column < 0 || !rows.length) return "";
    const details = make("details");
    details.append(make("summary", `its ${rows.length} images, whose mean it is`));
    const table = make("table");
    for (const [name, values] of rows) {
      const row = table.insertRow();
      row.append(make("th", name, { scope: "row" }));
      row.insertCell().textContent = values[column];
    }
    details.append(table);
    return details;
  };

  const show = (origin, shown) => {
    body.replaceChildren();
    if (shown) body.append(make("p", shown, { class: "shown" }));
    body.append(make("p", origin.what));
    const list = make("dl");
    if (origin.code) line(list, "computed by", make("a", origin.code, { href: `../${origin.code}` }));
    if (origin.command) line(list, "command", make("code", origin.command));
    if (origin.claims.length) {
      const links = origin.claims.flatMap((id) => [make("a", id, { href: `#claim-${id}`, class: "to-claim" }), " "]);
      line(list, "bears on", ...links);
    }
    body.append(list);
    for (const id of origin.records) {
      const card = document.getElementById(id);
      if (!card) continue;
      body.append(make("h3", card.querySelector("summary").textContent.trim()));
      body.append(card.querySelector("dl").cloneNode(true), perImage(id, origin.metric));
    }
    dialog.showModal();
  };

  document.addEventListener("click", (event) => {
    const number = event.target.closest("a.n");
    if (number) {
      event.preventDefault();
      show(origins[number.dataset.origin], number.textContent);
    } else if (event.target.closest(".to-claim") || event.target === dialog) {
      dialog.close();
    }
  });
  document.addEventListener("show-origin", (event) => show(origins[event.detail], ""));
}
