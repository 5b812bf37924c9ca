// Lavalink-client.

import { CHANNEL, GUILD, USER, gateway, load, loaded, query, run, setting, trackEnded, until } from "./steps.mjs";

const { LavalinkManager, NodeType } = load("lavalink-client");

// A NodeLink without YouTube refuses what is looked up there, and this client does not even ask.
const source = setting.kind === "nodelink" ? "local" : "ytsearch";
const send = gateway((packet) => manager.sendRawData(packet));
const manager = new LavalinkManager({
  nodes: setting.nodes.map(({ host, port, password }, number) => ({
    id: `node-${number}`, host, port, authorization: password,
    ...(setting.kind === "nodelink" ? { nodeType: NodeType.NodeLink } : {}),
  })),
  sendToShard: (_guild, payload) => send(payload),
  client: { id: USER, username: "bot" },
  playerOptions: { defaultSearchPlatform: source },
});
manager.on("trackEnd", trackEnded);
manager.on("queueEnd", trackEnded); // in place of trackEnd, after the last track
manager.nodeManager.on("error", (node, error) => console.error(node.id, error));
let player;
const find = (identifier) => manager.nodeManager.leastUsedNodes()[0].search(
  { query: query(identifier), source }, USER,
);

await run({
  async connect() {
    await manager.init({ id: USER, username: "bot" });
    await until(() => [...manager.nodeManager.nodes.values()].every((node) => node.connected && node.sessionId && node.info));
  },
  load: async (identifier) => loaded((await find(identifier)).loadType),
  async join() {
    player = manager.createPlayer({ guildId: GUILD, voiceChannelId: CHANNEL });
    await player.connect();
  },
  async play(identifier) {
    await player.play({ clientTrack: (await find(identifier)).tracks[0] });
  },
  pause: (paused) => (paused ? player.pause() : player.resume()),
  seek: (milliseconds) => player.seek(milliseconds),
  volume: (percent) => player.setVolume(percent),
  filters: () => player.filterManager.setSpeed(2),
  move: async () => void (await player.moveNode()),
});
