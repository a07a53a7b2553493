// What outlives a reload, in localStorage: one record for each card, so that two tabs do not
// overwrite each other's; and the page's settings.

const CARD = "ringback-demo:card:";
const WIRE = "ringback-demo:wire:";
const SETTING = "ringback-demo:setting:";

function write(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false; // full, or forbidden: the page works, but forgets
  }
}

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

/** All cards, oldest first. */
export function cards() {
  return Object.keys(localStorage)
    .filter((key) => key.startsWith(CARD))
    .map(read)
    .filter((card) => card?.key)
    .sort((a, b) => a.at - b.at);
}

export function saveCard(card) {
  return write(CARD + card.key, card);
}

export function saveWire(key, entries) {
  return write(WIRE + key, entries);
}

export function wire(key) {
  return read(WIRE + key) ?? [];
}

export function drop(key) {
  localStorage.removeItem(CARD + key);
  localStorage.removeItem(WIRE + key);
}

export function setting(name, otherwise) {
  return read(SETTING + name) ?? otherwise;
}

export function saveSetting(name, value) {
  write(SETTING + name, value);
}

/** Calls back when another tab adds (with the card) or removes (with null) one. */
export function onOtherTab(changed) {
  addEventListener("storage", (event) => {
    if (!event.key?.startsWith(CARD)) return;
    const key = event.key.slice(CARD.length);
    if (event.newValue === null) changed(key, null);
    else if (event.oldValue === null) changed(key, JSON.parse(event.newValue));
  });
}
