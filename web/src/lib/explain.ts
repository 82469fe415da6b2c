/** Why a caller waits for whom, step by step, in the reader's language. */
import type { Explanation, Reason } from '../api/types'

/** `key` is a text's, filled in with `values`. */
export interface Step {
  key: string
  values: Record<string, string | number>
}

export interface Words {
  queue: (id: string | null) => string
  agent: (id: string | null) => string
  /** A moment and a length of time as people read them. */
  moment: (iso: string | null) => string
  duration: (seconds: number) => string
}

/** What the engine went by, from the queue to who is asked; `asked`: whom the decision then asked. */
export function stepsOf(told: Explanation, words: Words, asked: readonly string[] = []): Step[] {
  if (told.queue === null) return [{ key: 'explain.no_queue', values: {} }]
  const steps: Step[] = [{ key: 'explain.queue', values: { queue: words.queue(told.queue) } }]
  const add = (key: string, values: Step['values'] = {}) => steps.push({ key: `explain.${key}`, values })
  if (told.position !== null && told.waiting_since !== null) {
    const waited_s = (Date.parse(told.at) - Date.parse(told.waiting_since)) / 1000
    add('position', { n: told.position, wait: words.duration(waited_s) })
  }
  if (told.head_start_s > 0) add('head_start', { time: words.duration(told.head_start_s) })
  for (const one of told.requirements) {
    add(one.required ? 'required' : 'preferred', { skill: one.skill, level: one.level })
  }
  if (told.relaxes_at !== null) add('relaxes', { at: words.moment(told.relaxes_at) })
  if (told.levels_reached !== null) add('levels', { n: told.levels_reached })
  if (told.preferred_agent !== null) add('preferred_agent', { agent: words.agent(told.preferred_agent) })
  const free = told.candidates.filter((one) => one.place !== null)
  const rings = asked.length > 0 ? asked : told.asked_now
  if (rings.length > 0) add('asked', { agents: rings.map(words.agent).join(', ') })
  else if (free[0] !== undefined) add('next', { agent: free[0].name || words.agent(free[0].agent), n: free.length })
  else add('nobody', { n: told.candidates.length })
  return steps
}

/** The details of a reason that a text can name, each as a word. */
export function reasonValues(reason: Reason, words: Words): Record<string, string | number> {
  const { skill, level, has, agent, limit, reason: why } = reason.details
  const plain = (value: unknown): string | number =>
    typeof value === 'number' || typeof value === 'string' ? value : '–'
  return {
    skill: plain(skill),
    level: plain(level),
    has: plain(has),
    limit: plain(limit),
    agent: typeof agent === 'string' ? words.agent(agent) : '–',
    why: plain(why),
    at: words.moment(reason.at),
  }
}
