// Magmastream, without a wrapper for a Discord library.

import { CHANNEL, GUILD, USER, gateway, load, loaded, query, run, setting, trackEnded, until } from "./steps.mjs";

const { Manager } = load("magmastream");

const send = gateway((packet) => manager.updateVoiceState(packet));
const manager = new Manager({
  nodes: setting.nodes.map(({ host, port, password }, number) => (
    { identifier: `node-${number}`, host, port, password, retryDelayMs: 1000 }
  )),
  playNextOnEnd: true,
  send,
  getUser: (id) => ({ id, username: "bot" }),
  getGuild: (id) => ({ id, name: "guild" }),
});
manager.on("trackEnd", trackEnded);
manager.on("queueEnd", trackEnded); // in place of trackEnd, after the last track
manager.on("nodeError", (node, error) => console.error(node.options.identifier, error));
let player;
const find = (identifier) => manager.search({ query: query(identifier), source: "ytsearch" });

await run({
  async connect() {
    await manager.init({ clientId: USER });
    const ready = () => [...manager.nodes.values()].filter((node) => node.connected && node.sessionId);
    await until(() => ready().length === setting.nodes.length);
  },
  load: async (identifier) => loaded((await find(identifier)).loadType),
  async join() {
    player = manager.create({ guildId: GUILD, voiceChannelId: CHANNEL, textChannelId: CHANNEL, volume: 100 });
    player.connect();
  },
  async play(identifier) {
    await player.play((await find(identifier)).tracks[0]);
  },
  pause: (paused) => player.pause(paused),
  seek: (milliseconds) => player.seek(milliseconds),
  volume: (percent) => player.setVolume(percent),
  filters: () => player.filters.setTimescale({ speed: 2 }),
  move: async () => void (await player.autoMoveNode()),
});
