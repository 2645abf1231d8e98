// SPDX-License-Identifier: Apache-2.0
// A frontend as small as they come, which asks as that of A.A.I.T.I does: `Authorization: Bearer TOKEN`, and `Bearer null` where it has none. Served by
// the gateway it keeps none, for there the browser's cookie says who asks, and no script can read that. From an origin of its own, as in development, it
// is told where the gateway is (?api=https://127.0.0.1:8443) and keeps the token, in memory alone, for the cookie does not go along to another site.
"use strict";
const api = new URLSearchParams(location.search).get("api") ?? "";
const said = document.getElementById("said"), list = document.getElementById("bots"), form = document.getElementById("sign-in");
let token = null;

async function ask(method, path, body) {
  const answer = await fetch(api + path, {method, credentials: "include", body: body && JSON.stringify(body),
    headers: {Authorization: `Bearer ${token}`, ...(body && {"Content-Type": "application/json"})}});
  const got = await answer.json();
  if (!answer.ok) {
    throw new Error(`${answer.status} ${got.title ?? got.error}`);
  }
  return got;
}

/* Whatever cannot be done is said, and nothing else changes. */
function tell(deed) {
  return async (...given) => {
    try {
      said.textContent = "…";
      said.textContent = await deed(...given);
    } catch (e) {
      said.textContent = `Not done: ${e.message}`;
    }
  };
}

async function change(bot) {
  const {bot: changed} = await ask("POST", `/api/bots/${encodeURIComponent(bot.id)}/${bot.status === "running" ? "stop" : "start"}`, {});
  await show();
  return `${changed.name} is ${changed.status}`;
}

async function show() {
  const {bots} = await ask("GET", "/api/bots");
  list.replaceChildren(...bots.map((bot) => {
    const item = document.createElement("li"), button = document.createElement("button");
    button.textContent = bot.status === "running" ? "Stop" : "Start";
    button.addEventListener("click", tell(() => change(bot)));
    item.append(`${bot.name}, ${bot.status} `, button);
    return item;
  }));
  return `${bots.length} bots`;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  tell(async () => {
    const got = await ask("POST", "/api/auth/login", Object.fromEntries(new FormData(form)));
    token = api === "" ? null : got.token;
    return show();
  })();
});
