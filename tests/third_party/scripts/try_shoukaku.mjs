// Shoukaku, behind its connector for discord.js.

import { CHANNEL, GUILD, discordJs, load, loaded, run, setting, trackEnded, until } from "./steps.mjs";

const { Connectors, Shoukaku } = load("shoukaku");

const bot = discordJs();
const nodes = setting.nodes.map(({ host, port, password }, number) => (
  { name: `node-${number}`, url: `${host}:${port}`, auth: password }
));
const shoukaku = new Shoukaku(new Connectors.DiscordJS(bot), nodes, { resume: true, reconnectInterval: 1 });
shoukaku.on("error", (name, error) => console.error(name, error));
let player;

await run({
  async connect() {
    bot.emit("clientReady");
    await until(() => [...shoukaku.nodes.values()].filter((node) => node.state === 1).length === nodes.length);
  },
  load: async (identifier) => loaded((await shoukaku.getIdealNode().rest.resolve(identifier)).loadType),
  async join() {
    player = await shoukaku.joinVoiceChannel({ guildId: GUILD, channelId: CHANNEL, shardId: 0 });
    player.on("end", trackEnded);
  },
  async play(identifier) {
    const { data } = await player.node.rest.resolve(identifier);
    await player.playTrack({ track: { encoded: data.encoded } });
  },
  pause: (paused) => player.setPaused(paused),
  seek: (milliseconds) => player.seekTo(milliseconds),
  volume: (percent) => player.setGlobalVolume(percent),
  filters: () => player.setTimescale({ speed: 2 }),
  move: async () => ((await player.move()) ? "ok" : "refuses"),
});
