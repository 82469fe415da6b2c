import { createRouter, createWebHashHistory, type RouteRecordRaw } from 'vue-router'
import { useSession } from './store/session'
import LoginView from './views/LoginView.vue'

// Addresses after `#` never reach the server, so it needs no rule for pages of the client.
const routes: RouteRecordRaw[] = [
  { path: '/login', name: 'login', component: LoginView },
  {
    path: '/',
    component: () => import('./components/AppShell.vue'),
    children: [
      { path: '', name: 'home', redirect: { name: 'workspace' } },
      { path: 'workspace', name: 'workspace', component: () => import('./views/WorkspaceView.vue') },
      { path: 'wall', name: 'wall', component: () => import('./views/WallView.vue') },
      { path: 'customers/:id?', name: 'customers', component: () => import('./views/CustomersView.vue') },
      { path: 'callbacks', name: 'callbacks', component: () => import('./views/CallbacksView.vue') },
      { path: 'tasks', name: 'tasks', component: () => import('./views/TasksView.vue') },
      { path: 'import', name: 'import', component: () => import('./views/ImportView.vue') },
      { path: 'duplicates', name: 'duplicates', component: () => import('./views/DuplicatesView.vue') },
      { path: 'records', name: 'records', component: () => import('./views/RecordsView.vue') },
      {
        path: 'system',
        component: () => import('./components/SystemPages.vue'),
        children: [
          { path: '', name: 'system', component: () => import('./views/SystemView.vue') },
          { path: 'users', name: 'users', component: () => import('./views/UsersView.vue') },
          { path: 'permissions', name: 'permissions', component: () => import('./views/PermissionsView.vue') },
          { path: 'webhooks', name: 'webhooks', component: () => import('./views/WebhooksView.vue') },
          { path: 'configuration', name: 'configuration', component: () => import('./views/ConfigurationView.vue') },
          { path: 'audit', name: 'audit', component: () => import('./views/AuditView.vue') },
        ],
      },
    ],
  },
  { path: '/:rest(.*)*', redirect: '/' },
]

/** Pages of administrators alone; the server decides on every request anyway. */
const ADMINS: ReadonlySet<string> = new Set(['users', 'permissions', 'configuration'])

/** Pages of whoever may read this kind of thing in the CRM. */
const NEEDS_READING: Readonly<Record<string, string>> = {
  audit: 'audit',
  webhooks: 'webhook',
}

export function createAppRouter() {
  const router = createRouter({ history: createWebHashHistory(), routes })
  router.beforeEach((to) => {
    const session = useSession()
    if (session.me === null) {
      return to.name === 'login' ? true : { name: 'login', query: { to: to.fullPath } }
    }
    if (to.name === 'login') return { name: 'home' }
    if (to.name === 'workspace' && session.agentId === null) {
      return { name: session.watchesOthers ? 'wall' : 'records' }
    }
    if ((to.name === 'import' || to.name === 'duplicates') && !session.keepsCustomers) {
      return { name: 'customers' }
    }
    if ((to.name === 'wall' || to.path.startsWith('/system')) && !session.watchesOthers) {
      return { name: 'workspace' }
    }
    if (ADMINS.has(String(to.name)) && !session.administers) return { name: 'system' }
    const thing = NEEDS_READING[String(to.name)]
    if (thing !== undefined && !session.may(thing, 'read')) return { name: 'system' }
    return true
  })
  return router
}
