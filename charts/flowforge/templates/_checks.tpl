{{/* What no schema can say. Included once, by the runs' namespace. */}}
{{- define "flowforge.checks" -}}
{{- if eq .Values.runs.namespace.name .Release.Namespace -}}
{{- fail "runs.namespace.name is the release's namespace: its default-deny policy would cut FlowForge itself off" -}}
{{- end -}}
{{- if not (has .Values.model.default .Values.model.allowed) -}}
{{- fail "model.default has to be one of model.allowed" -}}
{{- end -}}
{{- if not (or .Values.github.enabled .Values.gitlab.enabled .Values.forges) -}}
{{- fail "no forge is served: enable github or gitlab, or name one in forges" -}}
{{- end -}}
{{- $most := .Values.worker.replicas -}}
{{- if .Values.worker.keda.enabled -}}
{{- $most = .Values.worker.keda.maxReplicas -}}
{{- if not .Values.worker.keda.prometheusAddress -}}
{{- fail "worker.keda.prometheusAddress has to say where Prometheus answers" -}}
{{- end -}}
{{- end -}}
{{- $one := and .Values.worker.persistence.enabled (not (has "ReadWriteMany" .Values.worker.persistence.accessModes)) -}}
{{- if and (gt (int $most) 1) $one -}}
{{- fail "several workers cannot have one ReadWriteOnce volume: make it ReadWriteMany, or turn worker.persistence off" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "ingress.host has to name the host" -}}
{{- end -}}
{{- if and (eq .Values.secrets.source "externalSecrets") (not .Values.secrets.externalSecrets.store.name) -}}
{{- fail "secrets.externalSecrets.store.name has to name a store" -}}
{{- end -}}
{{- if and .Values.evaluation.enabled (ne .Values.secrets.source "existingSecret") -}}
{{- fail "evaluation.enabled goes with secrets.source existingSecret only" -}}
{{- end -}}
{{- end -}}
