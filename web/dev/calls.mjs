/** The stand-in's answers to what is asked of live calls and agents. It decides nothing as the engine does. */
import { one, page, Refusal } from './routes.mjs'

const iso = (secondsAgo = 0) => new Date(Date.now() - secondsAgo * 1000).toISOString()

/** Maps of the live world by id; `end(view)` ends a call; `publish(event, data)`: the event stream. */
export function calls({ agents, interactions, records, end, publish }) {
  const live = (params) => {
    const view = interactions.get(params.id)
    if (view === undefined) throw new Refusal(404, 'not_found')
    return view
  }
  const told = (view, changes) => {
    Object.assign(view, changes)
    publish('interaction', view)
  }
  /** A request that only changes how a call is shown. */
  const turn = (changes) => ({ params, body }) => told(live(params), typeof changes === 'function' ? changes(body) : changes)

  function explanation(view) {
    const of = [...agents.values()].filter((agent) => agent.queues.includes(view.queue))
    const reasons = { talking: 'talking', ringing: 'ringing', wrap_up: 'wrap_up' }
    const why = (agent) =>
      agent.status === 'logged_out'
        ? [{ code: 'logged_out', change: 'log_in', at: null, details: {} }]
        : agent.status === 'paused'
          ? [{ code: 'paused', change: 'unpause', at: null, details: { reason: agent.reason } }]
          : agent.state in reasons
            ? [{ code: reasons[agent.state], change: 'finish', at: null, details: {} }]
            : agent.phone_reachable
              ? []
              : [{ code: 'phone_unreachable', change: 'register_phone', at: null, details: {} }]
    const free = of.filter((agent) => why(agent).length === 0)
    return {
      at: iso(), state: view.state, queue: view.queue, strategy: 'longest_idle', position: view.position ?? null,
      waiting_since: view.queued_at, head_start_s: 0, requirements: [], relaxes_at: null, levels_reached: null,
      preferred_agent: null, asked_now: view.ringing_agents ?? [],
      candidates: of.map((agent) => ({
        agent: agent.id, name: agent.name, level: 1, reasons: why(agent),
        place: free.includes(agent) ? free.indexOf(agent) + 1 : null,
      })),
    }
  }

  return {
    'GET /interactions': () => page([...interactions.values()]),
    'GET /interactions/:id': ({ params }) => live(params),
    'GET /interactions/:id/explain': ({ params }) => explanation(live(params)),
    'GET /contact-records/:id/explain': ({ params }) => {
      const record = one(records, params.id)
      const view = { ...record, state: 'waiting', ringing_agents: [] }
      const decision = (fact, asked) => ({ at: record.arrived_at, fact, asked, explanation: explanation(view) })
      return page([decision('InteractionArrived', []), ...(record.agent ? [decision('AgentAvailable', [record.agent])] : [])])
    },
    'PUT /interactions/:id/disposition': () => undefined,

    'POST /interactions/:id/supervise': ({ params, body, user }) =>
      told(live(params), { supervisors: [{ id: 's1', by: user.username, active: true, ...body }] }),
    'PATCH /interactions/:id/supervise': ({ params, body }) => {
      const view = live(params)
      told(view, { supervisors: (view.supervisors ?? []).map((one) => ({ ...one, ...body })) })
    },
    'DELETE /interactions/:id/supervise': turn({ supervisors: [] }),
    'POST /interactions/:id/intercept': ({ params, user }) =>
      told(live(params), { state: 'taken_over', taken_over_by: user.username, agent: null, supervisors: [] }),
    'POST /interactions/:id/release': ({ params }) => end(live(params)),
    'POST /interactions/:id/hang-up': ({ params }) => end(live(params)),
    'POST /interactions/:id/transfer': ({ params }) => end(live(params)),
    'POST /interactions/:id/answer': () => undefined,
    'POST /interactions/:id/dtmf': () => undefined,
    'POST /interactions/:id/hold': turn({ on_hold: true }),
    'POST /interactions/:id/unhold': turn({ on_hold: false }),
    'POST /interactions/:id/mute': turn({ muted: true }),
    'POST /interactions/:id/unmute': turn({ muted: false }),
    'POST /interactions/:id/consult': turn({ consult: 'private' }),
    'POST /interactions/:id/conference': turn({ consult: 'conference' }),
    'PATCH /interactions/:id/consult': ({ params, body }) => {
      if (body.ask === 'complete') return end(live(params))
      return told(live(params), { consult: { cancel: '', swap: 'private', conference: 'conference' }[body.ask] })
    },
    'POST /interactions/:id/recording': turn(({ action }) => ({
      recording: action !== 'stop',
      recording_suspended: action === 'suspend',
    })),
    'POST /calls': () => undefined,
    'PUT /agents/:id/status': ({ params, body: { status, reason = '' } }) => {
      const agent = agents.get(params.id)
      if (agent === undefined) throw new Refusal(404, 'not_found')
      Object.assign(agent, { status, reason, state: status === 'logged_out' ? '' : 'idle', since: iso() })
      publish('agent', agent)
      return agent
    },
  }
}
